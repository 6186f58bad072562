"""Memory that one call of a network needs on a CUDA device. Nothing tells that of a CPU's call."""

import torch

from prunebench.timing.warming import Call


def added_bytes(call: Call, device: torch.device) -> int | None:
    """Return the bytes that a call adds at its peak to those allocated before; None except on CUDA."""
    if device.type != "cuda":
        return None
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    call()
    return torch.cuda.max_memory_allocated(device) - before
