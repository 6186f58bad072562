from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from prunebench.records.record import Record
from prunebench.reports.analysis.crossed import crossed_designs
from prunebench.reports.analysis.decomposition import choices_table, decomposition_table
from prunebench.reports.results import gather_results

GAIN = {"none": 0.0, "least-squares": 0.2}
LEVEL = {"magnitude": 0.5, "taylor": 0.52, "random": 0.4}


def crossed(make: SimpleNamespace, repairs: Any = GAIN, epochs: Any = (0, 10), seeds: Any = range(3)) -> list[Record]:
    """Repairs x epochs x criteria x seeds, with an accuracy that adds what each of them gives."""
    return [
        make.record(
            name,
            seed,
            accuracy=LEVEL[name] + GAIN[repair] + 0.01 * number + 0.001 * seed,
            key=f"{name}-{seed}-{repair}-{number}",
            protocol={"finetune_epochs": number, "ranking": "local"} | ({"repair": repair} if repair != "none" else {}),
        )
        for repair in repairs
        for number in epochs
        for name in LEVEL
        for seed in seeds
    ]


def test_options_and_criteria_that_are_crossed_are_one_design(make: SimpleNamespace) -> None:
    (design,) = crossed_designs(gather_results("x", crossed(make)))
    assert design.factors == ("criterion", "finetune_epochs", "repair")
    assert design.levels == (("magnitude", "taylor"), ("0", "10"), ("none", "least-squares"))
    assert design.values.shape == (2, 2, 2, 3) and design.random is not None
    assert design.values[1, 1, 0, 2] == pytest.approx(0.52 + 0.1 + 0.002)
    assert design.random[0, 1, 1] == pytest.approx(0.4 + 0.2 + 0.001)


def test_shares_are_those_of_a_sum_of_effects(make: SimpleNamespace) -> None:
    designs = [*crossed_designs(gather_results("x", crossed(make)))]
    table = decomposition_table(designs).set_index("source")
    parts = {"criterion": 0.01**2, "finetune_epochs": 0.05**2, "repair": 0.1**2, "seed": np.var([0, 0.001, 0.002])}
    for source, squares in parts.items():
        assert table["share"][source] == pytest.approx(squares / sum(parts.values()))
    assert table["share"].sum() == pytest.approx(1)
    rest = [name for name in table.index if name not in parts]
    pairs = ["criterion x finetune_epochs", "criterion x repair", "finetune_epochs x repair"]
    assert rest == [*pairs, "higher", "residual"]
    assert table["share"][rest].abs().max() == pytest.approx(0)
    assert (table["low"] <= table["share"] + 1e-12).all() and (table["share"] <= table["high"] + 1e-12).all()
    assert table["levels"]["repair"] == 2 and np.isnan(table["levels"]["seed"])


def test_shares_have_the_range_without_any_one_seed_and_less_what_noise_gives(make: SimpleNamespace) -> None:
    """Two criteria and two repairs by hand: the effect of a choice is half of the difference of its two means."""
    rng = np.random.default_rng(0)
    records = [
        record.model_copy(
            update={
                "accuracy": record.accuracy.model_copy(
                    update={"finetuned": 0.8 * LEVEL[record.cell.criterion] + 0.05 * rng.random()}
                )
            }
        )
        for record in crossed(make, epochs=[0])
    ]
    (design,) = crossed_designs(gather_results("x", records))
    row = decomposition_table([design]).set_index("source").loc["criterion"]

    def share(y: Any) -> tuple[float, float]:
        """Of the criterion: its part of the squared deviations, and that without what its scatter over seeds gives."""
        effects = (y[1] - y[0]).mean(axis=0) / 2  # one for each seed
        squares, total = y.size * effects.mean() ** 2, ((y - y.mean()) ** 2).sum()
        noise = 4 * ((effects - effects.mean()) ** 2).sum() / (len(effects) - 1)
        return squares / total, max(0.0, squares - noise) / total

    assert (row["share"], row["beyond_noise"]) == pytest.approx(share(design.values))
    others = [share(np.delete(design.values, seed, -1))[0] for seed in range(3)]
    assert (row["low"], row["high"]) == pytest.approx((min(others), max(others)))
    assert row["low"] < row["high"] and 0 < row["beyond_noise"] < row["share"]


def test_criteria_are_spread_under_each_choice(make: SimpleNamespace) -> None:
    records = crossed(make)
    for record in records:  # least squares makes magnitude the better one
        if record.cell.criterion == "magnitude" and record.protocol.get("repair"):
            better = record.accuracy.model_copy(update={"finetuned": record.accuracy.finetuned + 0.05})  # type: ignore[union-attr]
            records[records.index(record)] = record.model_copy(update={"accuracy": better})
    table = choices_table([*crossed_designs(gather_results("x", records))]).set_index("choices")
    cut, mended = (table.loc[f"finetune_epochs = 0; repair = {repair}"] for repair in GAIN)
    assert (cut["best"], mended["best"]) == ("taylor", "magnitude")
    assert cut["spread"] == pytest.approx(0.02) and mended["spread"] == pytest.approx(0.03)
    assert cut["over_random"] == pytest.approx(0.11)
    assert cut["accuracy"] == pytest.approx(0.511) and cut["n"] == 3


def test_seeds_that_lack_a_combination_are_left_out(make: SimpleNamespace) -> None:
    records = [record for record in crossed(make) if record.key != "taylor-2-none-0"]
    (design,) = crossed_designs(gather_results("x", records))
    assert design.seeds == (0, 1)


def test_what_always_changes_together_is_one_choice(make: SimpleNamespace) -> None:
    pairs = crossed(make, ["none"], [0]) + crossed(make, ["least-squares"], [10])
    (design,) = crossed_designs(gather_results("x", pairs))
    assert design.factors == ("criterion", "finetune_epochs, repair")
    assert design.levels[1] == ("0, none", "10, least-squares")


def test_options_that_are_not_crossed_make_no_design(make: SimpleNamespace) -> None:
    three = crossed(make, ["none"]) + crossed(make, ["least-squares"], [10])
    assert not list(crossed_designs(gather_results("x", three)))
    assert not list(crossed_designs(gather_results("x", crossed(make, ["none"], [10]))))
    assert not list(crossed_designs(gather_results("x", crossed(make, seeds=[0]))))


def test_other_data_are_another_design(make: SimpleNamespace) -> None:
    moved = [
        record.model_copy(update={"fingerprint": "fedcba9876543210"}) if record.protocol.get("repair") else record
        for record in crossed(make)
    ]
    assert [design.factors for design in crossed_designs(gather_results("x", moved))] == [
        ("criterion", "finetune_epochs"),
        ("criterion", "finetune_epochs"),
    ]
