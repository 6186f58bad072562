"""The grid of a comparison: which names are controls, in which order rows come."""

from prunebench.records import names as reserved

POINT_COLUMNS = ["task", "ranking", "metric", "keep", "criterion"]
BASELINE = "magnitude"
KEEP_TOLERANCE = 0.02  # achieved keeps further apart than this are flagged: the networks do not cost the same
METRIC_WORDS: dict[object, str] = {"macs": "MACs", "params": "parameters", "units": "units", "weights": "weights"}
CONTROLS = ("random", *reserved.CONTROLS)


def cost_metric(metric: str) -> str:
    """Name the cost that points of a budget are compared at: MACs, but single weights leave those as they are.

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
    """Sort key: the baseline, then methods by name, then controls. Results do not decide the order.

    >>> sorted(["random", "taylor", "magnitude", "l1"], key=table_order)
    ['magnitude', 'l1', 'taylor', 'random']
    """
    if is_control(criterion):
        return 2 + CONTROLS.index(criterion.partition(":")[0]), criterion
    return int(criterion != BASELINE), criterion
