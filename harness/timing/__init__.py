"""Times dense and pruned networks and scores, for `pytest benchmarks/`. Imports study and fidelity."""
