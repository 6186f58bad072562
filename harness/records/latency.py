"""Latencies, kept apart from records: one machine can time what another has trained. Torch-free."""

from prunebench.records.record import Frozen


class Latency(Frozen):
    """A paired latency measurement of a pruned network and its dense network.

    key: of the record. backend: eager, channels_last, compile or onnx. dense_seconds, pruned_seconds: medians per
    batch. ratios: dense seconds / pruned seconds of each A B pair. speedup: median of the ratios. low, high: 95 %
    block-bootstrap interval of the speed-up.
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
