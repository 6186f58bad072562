"""PruneBench: datasets."""
