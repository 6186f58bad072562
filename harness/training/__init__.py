"""Training, evaluation and what regularisers do to both. Imports plugins, pruning and data."""
