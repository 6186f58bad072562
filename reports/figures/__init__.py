"""Figures: one definition gives SVG and PNG. Imports the root modules."""
