"""Tidy tables (DataFrames) of what records say directly. Imports the root modules and statistics."""
