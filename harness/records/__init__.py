"""Facts on disk: requests and results of runs. Torch-free; every room may import this one."""
