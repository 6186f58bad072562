"""What a criterion, regulariser, dataset and model is, and how each is found by its name.

May import curvature, data and the rooms below them.
"""
