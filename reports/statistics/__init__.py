"""Statistics of small samples: the functions take numbers and give numbers, and know no records. Imports no room."""
