"""Diagonals of the curvature of the loss, layer by layer.

May import pruning and the rooms below it.
"""
