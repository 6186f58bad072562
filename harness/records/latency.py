"""Latencies, apart from the records: a store trained on one machine can be timed on another. Torch-free."""

from prunebench.records.record import Frozen


class Latency(Frozen):
    """A paired latency measurement of one network against its dense one.

    key: the record's key. backend: eager, channels_last, compile or onnx. Seconds per batch are medians.
    ratios: dense seconds / pruned seconds of each A B pair; speedup: their median; low, high: its 95 %
    block-bootstrap interval.
    """

    key: str
    machine: str
    backend: str
    batch: int
    threads: int
    dense_seconds: float
    pruned_seconds: float
    ratios: tuple[float, ...]
    speedup: float
    low: float
    high: float
