"""What a criterion, regulariser, dataset and model is, and how each is found by name. Imports pruning and data."""
