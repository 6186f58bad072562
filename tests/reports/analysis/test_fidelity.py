"""Agreement with the oracle, from scores that are right, wrong, constant or random on purpose."""

from collections.abc import Sequence

import numpy as np
import pytest

from prunebench.records.fidelity import Fidelity, Ranked, ScoreRequest
from prunebench.records.packed import Packed
from prunebench.reports.analysis.fidelity import HALVES, OVER_ALL, REACHABLE, WITHIN, fidelity_table
from prunebench.reports.analysis.score_matrix import score_matrix_table
from prunebench.reports.answer.fidelity import fidelity_section
from prunebench.reports.answer.fidelity_sentences import _highest_mean
from prunebench.reports.document import Text
from prunebench.reports.output.overview import overview, overview_html
from prunebench.reports.results import gather_results

UNITS = 40
LAYERS = ("a", "b")


def packed(values: Sequence[float]) -> Packed:
    return Packed.pack(np.asarray(values, dtype=np.float64), "float64")


def fidelity(criterion: str, seed: int) -> Fidelity:
    """Two layers whose truth is that of the seed; the oracle's halves differ by little."""
    groups = {}
    for number, layer in enumerate(LAYERS):
        rng = np.random.default_rng([seed, number])
        truth, noise = rng.standard_normal(UNITS), 0.01 * rng.standard_normal(UNITS)
        scores = {
            "perfect": truth,
            "reversed": -truth,
            "flat": np.ones(UNITS),
            "half": truth if layer == "a" else np.ones(UNITS),
            "size": np.abs(truth),
            "random": np.random.default_rng([7, seed, number]).random(UNITS),
        }[criterion]
        halves = (packed(truth + noise), packed(truth - noise))
        groups[layer] = Ranked(units=tuple(range(UNITS)), of=UNITS, halves=halves, scores=packed(scores))
    cell = ScoreRequest(dataset="mnist", model="lenet5", criterion=criterion, seed=seed)
    key = f"{criterion}-{seed}"
    return Fidelity(key=key, cell=cell, protocol={}, fingerprint="0", pictures=(10, 10), groups=groups)


NAMES = ("perfect", "reversed", "flat", "half", "size", "random")
FOUND = [fidelity(criterion, seed) for criterion in NAMES for seed in range(3)]
RESULTS = gather_results("here", [], fidelity=FOUND)
TABLE = fidelity_table(RESULTS).set_index(["criterion", "truth", "layer"])


def test_the_terminal_shows_what_fidelity_alone_has_to_say() -> None:
    lines = overview(RESULTS).splitlines()
    assert lines[0] == "mnist x lenet5 | fidelity | seeds 0-2"
    row = next(line for line in lines if line.startswith("perfect")).split()
    assert row[:3] == ["perfect", "3", "1.00"]
    assert max(map(len, lines)) <= 100 and "of the truly lowest" in lines[-2]
    page = overview_html(RESULTS)
    assert "fidelity | seeds 0-2" in page and "of the truly lowest" in page


def test_the_terminal_explains_the_protocols_of_fidelity() -> None:
    other = [one.model_copy(update={"key": f"{one.key}-more", "protocol": {"epochs": 9}}) for one in FOUND]
    text = overview(gather_results("here", [], fidelity=[*FOUND, *other]))
    assert text.count("| fidelity | seeds 0-2") == 2 and "epochs = 9" in text


@pytest.mark.parametrize("layer", [*LAYERS, WITHIN, OVER_ALL])
def test_a_perfect_order_agrees_fully_and_a_reversed_one_not_at_all(layer: str) -> None:
    for measure in ("spearman", "kendall", "weighted", "lowest"):
        assert TABLE.loc[("perfect", "signed", layer), measure] == pytest.approx(1)
    for measure in ("spearman", "kendall", "weighted"):
        assert TABLE.loc[("reversed", "signed", layer), measure] == pytest.approx(-1)
    assert TABLE.loc[("reversed", "signed", layer), "lowest"] == pytest.approx(0)
    assert TABLE.loc[("size", "absolute", layer), "spearman"] == pytest.approx(1)


def test_random_scores_agree_by_chance() -> None:
    row = TABLE.loc[("random", "signed", WITHIN)]
    assert abs(row["spearman"]) < 0.25  # three seeds and two layers of 40 units: a standard error of 0.07
    assert row["n"] == 3
    assert row["spearman_half"] > 0


def test_constant_scores_are_said_and_left_out_of_means() -> None:
    flat, half = TABLE.loc[("flat", "signed", WITHIN)], TABLE.loc[("half", "signed", WITHIN)]
    assert np.isnan(float(flat["spearman"]))
    assert (flat["constant"], half["constant"]) == (2, 1)
    assert half["spearman"] == pytest.approx(1)


def test_the_oracle_stands_beside_the_criteria() -> None:
    assert TABLE.loc[(HALVES, "signed", WITHIN), "spearman"] > 0.99
    assert TABLE.loc[(REACHABLE, "signed", WITHIN), "spearman"] > 0.99


def test_criteria_are_compared_with_each_other() -> None:
    pairs = {
        frozenset((r["criterion"], r["other"])): r["spearman"] for r in score_matrix_table(RESULTS).to_dict("records")
    }
    assert pairs[frozenset(("perfect", "reversed"))] == pytest.approx(-1)
    assert abs(pairs[frozenset(("perfect", "random"))]) < 0.25


def test_criteria_that_scored_other_units_are_not_compared() -> None:
    one, other = fidelity("perfect", 0), fidelity("random", 0)
    moved = {name: group.model_copy(update={"units": tuple(range(1, UNITS + 1))}) for name, group in one.groups.items()}
    scored = [one.model_copy(update={"groups": moved}), other]
    table = score_matrix_table(gather_results("here", [], fidelity=scored))
    assert table["n"].tolist() == [0]


def test_the_section_says_what_is_constant_and_never_nan() -> None:
    section = fidelity_section(RESULTS, fidelity_table(RESULTS), score_matrix_table(RESULTS))
    text = repr(section)
    assert "constant scores" in text
    assert "nan" not in text
    assert "has the highest mean within layers: Spearman 1.00" in text


def test_what_two_protocols_share_is_explained_once() -> None:
    other = [one.model_copy(update={"key": f"{one.key}-more", "protocol": {"epochs": 9}}) for one in FOUND]
    results = gather_results("here", [], fidelity=[*FOUND, *other])
    section = fidelity_section(results, fidelity_table(results), score_matrix_table(results))
    texts = [block.text for block in section.blocks if isinstance(block, Text)]
    assert len(texts) == len(set(texts)) and sum("Lowest quarter:" in text for text in texts) == 1


def test_nobody_has_the_highest_mean_whose_interval_contains_zero() -> None:
    sure = {"spearman": 0.3, "spearman_half": 0.1, "criterion": "taylor"}
    unsure = {"spearman": 0.6, "spearman_half": 0.7, "criterion": "obd"}
    assert "`taylor` has the highest mean" in _highest_mean("signed", [sure, unsure])
    assert "no criterion's interval of Spearman's rho lies above zero" in _highest_mean("signed", [unsure])
    assert "`obd` has the highest mean" in _highest_mean("signed", [sure, unsure | {"spearman_half": 0.2}])
    assert "`obd` has the highest mean" in _highest_mean("signed", [unsure | {"spearman_half": None}])  # one seed


def test_without_fidelity_the_section_says_how_to_get_it() -> None:
    empty = gather_results("here", [])
    section = fidelity_section(empty, fidelity_table(empty), score_matrix_table(empty))
    assert "pytest benchmarks/test_fidelity.py" in repr(section)
