"""Tidy tables (DataFrames) of what the records say without a comparison.

May import the root modules of `reports` and statistics.
"""
