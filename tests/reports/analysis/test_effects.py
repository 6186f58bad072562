from types import SimpleNamespace

import pytest

from prunebench.reports.analysis.crossed import crossed_designs
from prunebench.reports.analysis.effects import effects_table
from prunebench.reports.answer.effects import what_changes
from prunebench.reports.results import Results, gather_results

# accuracy in points of seeds 0, 1 and 2, by criterion, repair and epochs
ACCURACY = {
    ("magnitude", "none", 0): (40, 41, 42),
    ("magnitude", "least-squares", 0): (50, 53, 56),  # +10 +12 +14
    ("taylor", "none", 0): (30, 30, 30),
    ("taylor", "least-squares", 0): (50, 52, 54),  # +20 +22 +24
    ("magnitude", "none", 3): (60, 60, 60),
    ("magnitude", "least-squares", 3): (61, 60, 59),  # +1 0 -1
    ("taylor", "none", 3): (62, 62, 62),
    ("taylor", "least-squares", 3): (62, 62, 62),
}


def results_of(make: SimpleNamespace) -> Results:
    """The accuracies as records."""
    records = [
        make.record(
            name,
            seed,
            accuracy=points[seed] / 100,
            key=f"{name}-{repair}-{epochs}-{seed}",
            protocol={"finetune_epochs": epochs} | ({"repair": repair} if repair != "none" else {}),
        )
        for (name, repair, epochs), points in ACCURACY.items()
        for seed in range(3)
    ]
    return gather_results("x", records)


def test_a_choice_changes_what_its_paired_differences_say(make: SimpleNamespace) -> None:
    """By hand: differences 10, 12 and 14 have the mean 12 and the half width 4.3027 * 2 / sqrt(3) = 4.968."""
    table = effects_table([*crossed_designs(results_of(make))]).set_index(["choice", "where", "criterion"]).sort_index()
    cut = table.loc[("repair", "finetune_epochs = 0")]
    assert 100 * cut["difference"]["magnitude"] == pytest.approx(12)
    assert 100 * cut["low"]["magnitude"] == pytest.approx(12 - 4.968, abs=1e-3)
    assert 100 * cut["high"]["magnitude"] == pytest.approx(12 + 4.968, abs=1e-3)
    assert 100 * cut["difference"]["taylor"] == pytest.approx(22)
    assert 100 * cut["difference"]["all"] == pytest.approx(17)  # of 15, 17 and 19 over the seeds
    assert 100 * cut["low"]["all"] == pytest.approx(17 - 4.968, abs=1e-3)
    trained = table.loc[("repair", "finetune_epochs = 3")]
    assert 100 * trained["difference"]["magnitude"] == pytest.approx(0, abs=1e-9)
    assert set(table["n"]) == {3} and set(table["instead_of"]) == {"none", "0"}


def test_the_answer_compares_the_levels_in_words(make: SimpleNamespace) -> None:
    tuned, mended = what_changes(effects_table([*crossed_designs(results_of(make))]))
    assert mended == (
        "mnist x lenet5, keep 0.5 MACs: repair least-squares instead of none changes the accuracy by "
        "+17.00 [+12.03, +21.97] where fine-tuning = 0; 0.00 [-1.24, +1.24] where fine-tuning = 3. "
        "In points, mean of 2 criteria, paired by seed (3 seeds)."
    )
    # fine-tuning without repair: 20 19 18 and 32 32 32, in the mean 26 25.5 25; half width 4.3027 * 0.5 / sqrt(3)
    assert "fine-tuning 3 instead of 0 changes the accuracy by +25.50 [+24.26, +26.74] where repair = none;" in tuned
