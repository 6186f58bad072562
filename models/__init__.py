"""PruneBench: models."""
