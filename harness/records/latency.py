"""Latencies, kept apart from records: one machine can time what another has trained. Torch-free."""

from prunebench.records.validation import Above0, Count, Fraction, Frozen, Name, Positive

ENOUGH_OF_CORE = 0.9  # share of its core that a timing thread has on an idle machine, at least


class Latency(Frozen):
    """A paired latency measurement of a pruned network and its dense network. Older files lack the optional fields.

    key: of the record. machine: where it was timed. batch: pictures in a batch. threads: of torch. backend: eager,
    channels_last, compile, onnx or openvino. dense_seconds, pruned_seconds: medians per batch. ratios: dense seconds /
    pruned seconds of each pair. speedup: median of the ratios. low, high: 95 % interval of the speed-up. core_share:
    share of its core that the timing thread had, from the warm-up on; None where it waits for a GPU. dense_joules,
    pruned_joules: energy of the CPU packages or of the GPU per picture; None where the machine tells none.
    dense_call_bytes, pruned_call_bytes: what one call adds at its peak to the allocated memory; None except on CUDA.
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
    dense_joules: Above0 | None = None
    pruned_joules: Above0 | None = None
    dense_call_bytes: Count | None = None
    pruned_call_bytes: Count | None = None
