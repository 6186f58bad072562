"""Latencies of dense and pruned networks, and the networks that `pytest benchmarks/` trains and times.

May import fidelity and the rooms below it.
"""
