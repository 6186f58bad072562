"""Tidy tables (DataFrames) of what records say directly. Imports results and statistics."""
