"""The table of units, selection and exact removal. Imports records and nothing else of the project."""
