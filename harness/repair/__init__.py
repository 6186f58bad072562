"""Repair after a cut: BatchNorm re-estimated, biases shifted, or remaining weights refitted. No labels, no gradients.

`repairing.repair` is the entry.
"""
