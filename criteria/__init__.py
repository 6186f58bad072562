"""PruneBench: criteria."""
