"""The baseline and the controls of a comparison, the names of budget metrics, and the order of rows."""

from prunebench.records import names as reserved
from prunebench.reports.language.message import say

BASELINE = "magnitude"
RANDOM = reserved.RANDOM
DENSE_CONTINUED, SHUFFLE, SCRATCH = reserved.CONTROLS
CONTROLS = (RANDOM, *reserved.CONTROLS)
DENSE = "dense"  # the reference that is no criterion: the dense network of the block
LOCAL = reserved.RANKINGS[0]  # under this ranking all criteria leave the same widths
KEEP_TOLERANCE = 0.02  # of achieved keeps: networks further apart do not cost the same, and are flagged
METRIC_WORDS: dict[object, str] = {
    "macs": say("MACs"),
    "params": say("parameters"),
    "units": say("units"),
    "weights": say("weights"),
}


def cost_metric(metric: str) -> str:
    """Name the cost at which points of a budget are compared: MACs, but weights for single weights, which save no MACs.

    >>> cost_metric("params"), cost_metric("weights")
    ('macs', 'weights')
    """
    return "weights" if metric == "weights" else "macs"


def is_control(criterion: str) -> bool:
    """Tell a control from a method.

    >>> is_control("shuffle:taylor"), is_control("taylor")
    (True, False)
    """
    return criterion.partition(":")[0] in CONTROLS


def table_order(criterion: str) -> tuple[int, str]:
    """Sort key: the baseline, then methods by name, then controls. The order never depends on results.

    >>> sorted(["random", "taylor", "magnitude", "l1"], key=table_order)
    ['magnitude', 'l1', 'taylor', 'random']
    """
    if is_control(criterion):
        return 2 + CONTROLS.index(criterion.partition(":")[0]), criterion
    return int(criterion != BASELINE), criterion
