"""PruneBench: reports."""
