"""Diagonals of the loss's curvature, layer by layer. Imports pruning."""
