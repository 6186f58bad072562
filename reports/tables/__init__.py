"""Tidy tables (DataFrames) of facts that records state directly. Imports the root modules and statistics."""
