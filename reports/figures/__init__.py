"""Figures, drawn with Altair. Imports the names of the grid and nothing of the analysis."""
