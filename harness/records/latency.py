"""Latencies, kept apart from records: one machine can time what another has trained. Torch-free."""

from prunebench.records.validation import Above0, Fraction, Frozen, Name, Positive

ENOUGH_OF_CORE = 0.9  # share of its core that a timing thread has on an idle machine, at least


class Latency(Frozen):
    """A paired latency measurement of a pruned network and its dense network.

    key: of the record. machine: where it was timed. batch: pictures in a batch. threads: of torch. backend: eager,
    channels_last, compile or onnx. dense_seconds, pruned_seconds: medians per batch. ratios: dense seconds / pruned
    seconds of each pair. speedup: median of the ratios. low, high: 95 % interval of the speed-up.
    core_share: share of its core that the timing thread had, from the warm-up on; None where it waits for a GPU, and in
    older files.
    """

    key: Name
    machine: Name
    backend: Name
    batch: Positive
    threads: Positive
    dense_seconds: Above0
    pruned_seconds: Above0
    ratios: tuple[Above0, ...]
    speedup: Above0
    low: Above0
    high: Above0
    core_share: Fraction | None = None
