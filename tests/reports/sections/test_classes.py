from itertools import product

import pandas as pd

from prunebench.reports.document import Table
from prunebench.reports.sections.classes import MOST, classes_section
from prunebench.reports.tables.classes import AUC, CLASSES, CONFUSION

WHERE = {"task": "t", "ranking": "local", "metric": "macs"}
COUNTS = {("cat", "cat"): 80.0, ("cat", "dog"): 20.0, ("dog", "cat"): 0.4, ("dog", "dog"): 99.6}
NETWORKS = [("dense", 1.0), ("l1", 0.5), ("l1", 0.25), ("random", 0.25)]


def tables(names: list[tuple[str, float]]) -> list[Table]:
    where = [WHERE | {"criterion": name, "keep": keep, "n": 3} for name, keep in names]
    confusion = [one | {"true": t, "predicted": p, "pictures": n} for one in where for (t, p), n in COUNTS.items()]
    rates = {"pictures": 100, "recall": 0.8, "recall_half": 0.3, "precision": 0.9, "precision_half": None}
    classes = [one | rates | {"class": name} for one, name in product(where, ("cat", "dog"))]
    auc = [one | {"positive": "dog", "auc": 0.95, "auc_half": 0.01} for one in where]
    frames = (
        pd.DataFrame(rows, columns=names) for rows, names in ((confusion, CONFUSION), (classes, CLASSES), (auc, AUC))
    )
    return [one for one in classes_section(*frames).blocks if isinstance(one, Table)]


def test_dense_stands_beside_the_methods_at_their_smallest_keep() -> None:
    dense, l1, areas, recalls, precisions = tables(NETWORKS)
    assert (
        dense.caption.startswith("dense, 3 seeds") and l1.caption == "l1, 3 seeds; t, local ranking, 25 % of MACs kept"
    )
    assert l1.header == ("true", "cat", "dog") and l1.rows == (("cat", "80", "20"), ("dog", "0", "100"))
    assert l1.styles == (("", "hit t5", "miss t3"), ("", "miss t0", "hit t5"))
    assert areas.rows[1] == ("l1", "3", "95.00 ± 1.00", "80.00 ± 30.00 §", "80.00 ± 30.00 §")
    assert recalls.header == ("class", "pictures", "dense", "l1") and recalls.rows[0] == ("cat", "100", "80.0", "80.0")
    assert precisions.rows[1] == ("dog", "100", "90.0", "90.0")


def test_at_most_some_criteria_have_matrices() -> None:
    found = tables([("dense", 1.0), *((f"own{number}", 0.5) for number in range(9))])
    assert sum(table.header[0] == "true" for table in found) == 1 + MOST


def test_without_labels_the_section_says_how_to_add_them() -> None:
    empty = (pd.DataFrame(columns=names) for names in (CONFUSION, CLASSES, AUC))
    assert "prunebench run" in classes_section(*empty).why_empty
