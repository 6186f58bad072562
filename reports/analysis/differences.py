"""Paired differences of the fine-tuned accuracy to the baseline and to the controls, over shared blocks (seeds)."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from prunebench.reports.grid import BASELINE, is_control
from prunebench.reports.results import Results
from prunebench.reports.statistics.intervals import paired_interval
from prunebench.reports.statistics.permutation import EXACT_UP_TO, sign_flip
from prunebench.reports.tables import records_table

TOLERANCE = 0.02  # achieved keeps further apart than this are flagged: the networks do not cost the same
ACCURACY = "accuracy_finetuned"
COLUMNS = ["task", "ranking", "metric", "keep", "criterion", "reference", "reference_ranking", "n"]


def differences_table(results: Results) -> pd.DataFrame:
    """One row per task, ranking, metric, keep, method and reference; `n` pairs, 0 where no seed is shared.

    difference, low, high: mean of method - reference in fractions with its t interval (missing where n < 2); p: exact
    sign-flip, with the smallest attainable one; keep_gap: mean achieved keep of the method minus the reference's.

    References are `magnitude` and the controls of the same ranking. A control that was only run under `local` serves
    the other rankings too (its units do not depend on scores). `shuffle:X` and `scratch:X` serve every method under
    `local`, where widths are equal, and X elsewhere.
    """
    frame = records_table(results)
    rows = []
    for (task, metric, keep), part in frame.groupby(["task", "metric", "keep"], sort=False):
        cells = {
            (str(ranking), str(criterion)): cell.set_index("seed")
            for (ranking, criterion), cell in part.groupby(["ranking", "criterion"], sort=False)
        }
        for ours, reference in _contrasts(list(cells)):
            where = {"task": task, "ranking": ours[0], "metric": metric, "keep": keep, "criterion": ours[1]}
            whom = {"reference": reference[1], "reference_ranking": reference[0]}
            rows.append(where | whom | _compare(cells[ours], cells[reference], str(metric)))
    return pd.DataFrame(rows, columns=None if rows else COLUMNS)


def _contrasts(cells: list[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    names = list(dict.fromkeys(name for _, name in cells))
    for ranking, criterion in cells:
        if is_control(criterion):
            continue
        for name in names:
            reference = (ranking, name)
            if is_control(name) and reference not in cells:
                reference = ("local", name)
            if reference in cells and name != criterion and _serves(name, criterion, reference[0], ranking):
                yield (ranking, criterion), reference


def _serves(reference: str, criterion: str, reference_ranking: str, ranking: str) -> bool:
    if not is_control(reference):
        return reference == BASELINE
    head, _, of = reference.partition(":")
    if head == "shuffle":  # it shares the sparse training of its X: beside another method two things would differ
        return reference_ranking == ranking and of == criterion
    if head == "scratch":  # only widths are taken over, and under `local` they are everybody's
        return reference_ranking == ranking and (ranking == "local" or of == criterion)
    return True


def _compare(ours: pd.DataFrame, reference: pd.DataFrame, metric: str) -> dict[str, Any]:
    shared = [seed for seed in ours.index if seed in reference.index]
    if not shared:
        return {"n": 0}
    a, b = ours.loc[shared], reference.loc[shared]
    interval = paired_interval(a[ACCURACY].tolist(), b[ACCURACY].tolist())
    row: dict[str, Any] = {"n": interval.n, "difference": interval.mean, "low": interval.low, "high": interval.high}
    if 2 <= interval.n <= EXACT_UP_TO:
        test = sign_flip((a[ACCURACY] - b[ACCURACY]).to_numpy())
        row |= {"p": test.p, "smallest_p": test.smallest}
    if f"keep_{metric}" in a:
        row["keep_gap"] = float((a[f"keep_{metric}"] - b[f"keep_{metric}"]).mean())
    return row
