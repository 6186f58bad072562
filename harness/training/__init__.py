"""Training, evaluation and regularisers at work. Imports plugins, pruning and data."""
