"""Diagonals of the curvature of the loss, layer by layer. Imports pruning."""
