"""Statistics of small samples: numbers in, numbers out. Nothing here knows what a record is."""
