"""Residual blocks with an identity bypass: finds them, removes them exactly, counts what they cost.

May import pruning and the rooms below it.
"""
