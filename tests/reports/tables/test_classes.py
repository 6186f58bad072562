from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, recall_score, roc_auc_score

from prunebench.errors import UserError
from prunebench.records.files import DataFile
from prunebench.records.packed import DensePerPicture, Packed, PerPicture
from prunebench.records.record import Record
from prunebench.reports.results import Results, gather_results
from prunebench.reports.tables.classes import MOST_CLASSES, class_tables

TRUE = np.random.default_rng(0).integers(0, 2, 200)


def predicted(seed: int, classes: int = 2) -> Any:
    rng = np.random.default_rng([seed, classes])
    return np.where(rng.random(200) < 0.7, TRUE, rng.integers(0, classes, 200))


def scored(make: SimpleNamespace, seed: int, classes: int = 2, keep: float = 0.5) -> Record:
    """A record whose networks are right on the pictures that `predicted` says."""
    own, dense = predicted(seed, classes), predicted(seed + 100, classes)
    loss = np.where(own == TRUE, 0.1, 1.5) * np.random.default_rng(seed).uniform(0.9, 1.1, 200)
    right = own == TRUE
    full = DensePerPicture(
        pictures=200, predicted=Packed.pack(dense, "uint8"), loss=Packed.pack(loss, "float16") if classes == 2 else None
    )
    record: Record = make.record("taylor", seed, keep, accuracy=float(right.mean()))
    return record.model_copy(update={"per_image": PerPicture.pack(own, loss, right, classes), "dense_per_image": full})


def with_data(records: list[Record], classes: int = 2, **changes: Any) -> Results:
    labels = Packed.pack(TRUE, "uint8")
    names = [f"class {number}" for number in range(classes)]
    facts = {"schema_version": 3, "fingerprint": "0123456789abcdef", "classes": names, "pictures": 200}
    data = DataFile.model_validate(facts | {"labels": labels} | changes)
    results: Results = gather_results("results", records)
    return Results(**{**results.__dict__, "data": {data.fingerprint: data}})


def test_matrices_are_means_over_seeds_dense_first(make: SimpleNamespace) -> None:
    tables = class_tables(with_data([scored(make, seed) for seed in range(3)]))
    for name, shift in (("dense", 100), ("taylor", 0)):
        rows = tables["confusion"][tables["confusion"]["criterion"] == name]
        assert set(rows["n"]) == {3} and set(rows["keep"]) == {1.0 if name == "dense" else 0.5}
        wanted = sum(confusion_matrix(TRUE, predicted(seed + shift)) for seed in range(3)) / 3
        assert rows["pictures"].tolist() == pytest.approx(wanted.ravel().tolist())
    assert tables["confusion"]["criterion"].iloc[0] == "dense"


def test_rates_and_areas_are_those_of_scikit_learn(make: SimpleNamespace) -> None:
    records = [scored(make, seed) for seed in range(3)]
    tables = class_tables(with_data(records))
    rates = tables["classes"].query("criterion == 'taylor'")
    wanted = np.mean([recall_score(TRUE, predicted(seed), average=None) for seed in range(3)], axis=0)
    assert rates["recall"].tolist() == pytest.approx(wanted.tolist()) and set(rates["n"]) == {3}
    assert rates["pictures"].tolist() == np.bincount(TRUE).tolist()
    areas = []
    for record in records:
        assert record.per_image
        true_class = np.exp(-record.per_image.loss.unpack(200).astype(float))
        areas.append(roc_auc_score(TRUE, np.where(TRUE == 1, true_class, 1 - true_class)))
    row = tables["auc"].query("criterion == 'taylor'").iloc[0]
    assert row["auc"] == pytest.approx(np.mean(areas), abs=1e-9) and row["positive"] == "class 1"


def test_many_classes_have_rates_but_no_matrix_and_no_area(make: SimpleNamespace) -> None:
    classes = MOST_CLASSES + 1
    tables = class_tables(with_data([scored(make, 0, classes)], classes))
    assert not len(tables["confusion"]) and not len(tables["auc"])
    rates = tables["classes"].query("criterion == 'taylor'")
    assert len(rates) == classes and rates["recall"].notna().sum() == 2  # two classes have pictures


def test_without_labels_there_is_nothing(make: SimpleNamespace) -> None:
    assert not any(len(table) for table in class_tables(gather_results("x", [scored(make, 0)])).values())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": Packed.pack(1 - TRUE, "uint8")}, "pictures said to be right, but they are wrong by the labels"),
        ({"labels": Packed.pack([0, 1], "uint8"), "pictures": 2}, "200 test pictures, but 2"),
    ],
)
def test_labels_of_other_pictures_are_refused(make: SimpleNamespace, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as error:
        class_tables(with_data([scored(make, 0)], **changes))
    assert words in str(error.value) and "data/0123456789abcdef.json" in str(error.value)


def test_a_label_beyond_the_classes_is_refused(make: SimpleNamespace) -> None:
    with pytest.raises(UserError, match="a label beyond the 2 classes"):
        class_tables(with_data([scored(make, 0, 10)]))
