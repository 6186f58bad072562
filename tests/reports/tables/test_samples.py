import base64
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from prunebench.records.files import PNG, DataFile
from prunebench.records.packed import DensePerPicture, Packed, PerPicture
from prunebench.reports.results import Results, gather_results
from prunebench.reports.sections.samples import samples_section
from prunebench.reports.tables.samples import samples_table

SHOWN = base64.b64encode(PNG).decode()


def results(make: SimpleNamespace, seeds: Any = (3, 1), thumbnails: int = 2) -> Results:
    """Three test pictures; the dense network is wrong on the last, the pruned ones on the first."""
    labels, records = [0, 1, 2], []
    for seed in seeds:
        own = PerPicture.pack([1, 1, 2], [0.1] * 3, [0, 1, 1])
        full = DensePerPicture(pictures=3, predicted=Packed.pack([0, 1, 0], "uint8"))
        record = make.record("taylor", seed, accuracy=2 / 3)
        records.append(record.model_copy(update={"per_image": own, "dense_per_image": full}))
    facts = {"schema_version": 3, "fingerprint": "0123456789abcdef", "classes": ["a", "b<i>", "c"], "pictures": 3}
    shown = [{"picture": picture, "png": SHOWN} for picture in (0, 2)][:thumbnails]
    data = DataFile.model_validate(facts | {"labels": Packed.pack(labels, "uint8"), "thumbnails": shown})
    return replace(gather_results("x", records), data={data.fingerprint: data})


def test_labels_of_the_first_seed_dense_first(make: SimpleNamespace) -> None:
    table = samples_table(results(make))
    assert set(table["seed"]) == {1}
    assert table[["criterion", "picture", "true", "predicted", "right"]].to_numpy().tolist() == [
        ["dense", 0, "a", "a", True],
        ["dense", 2, "c", "a", False],
        ["taylor", 0, "a", "b<i>", False],
        ["taylor", 2, "c", "c", True],
    ]


def test_the_section_shows_pictures_with_signs_and_colours(make: SimpleNamespace) -> None:
    given = results(make)
    (table,) = samples_section(samples_table(given), given.data).blocks[1:]
    assert table.header == ("network", "a", "c") and table.pictures[1].startswith("data:image/png;base64,")  # type: ignore[union-attr]
    assert table.rows == (("dense", "✓ a", "✗ a"), ("taylor", "✗ b<i>", "✓ c"))  # type: ignore[union-attr]
    assert table.styles == (("", "right", "wrong"), ("", "wrong", "right"))  # type: ignore[union-attr]


def test_without_stored_pictures_the_section_says_how_to_store_them(make: SimpleNamespace) -> None:
    section = samples_section(samples_table(results(make, thumbnails=0)), {})
    assert "--thumbnails" in section.why_empty
