"""Facts on disk as JSON: what a run was asked for and what came out. Needs no torch.

Every room may import it.
"""
