"""Latencies of dense and pruned networks, and what `pytest benchmarks/` times. Imports study and fidelity."""
