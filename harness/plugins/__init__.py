"""Define criteria, regularisers, datasets and models, and find them by name. Imports pruning and data."""
