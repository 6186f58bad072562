"""Facts on disk: what a run was asked for and what came out. Torch-free; every room may import it."""
