from types import SimpleNamespace

from prunebench.reports.analysis.differences import differences_table
from prunebench.reports.results import gather_results
from prunebench.reports.sections.below_random import below_random_section, floored_layers


def test_below_random_names_the_emptied_layers(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude", "random"), (0, 1, 2), (0.5,))
    records += make.grid(("taylor", "magnitude"), (0, 1, 2), (0.5,), "global")
    results = gather_results("x", records)
    found = make.text(below_random_section(results, differences_table(results)))
    assert "global | 0.5 MACs | taylor | -" in found and "fc1 500 -> 50 (3 of 3 seeds)" in found
    assert "magnitude" not in found


def test_below_random_with_equal_widths_is_the_choice_of_units(make: SimpleNamespace) -> None:
    gaps = {"l0": (0.1, 0.11, 0.09), "l1": (0.1, -0.1, 0.05), "obd": (0.1,)}  # sure, not sure, one seed
    records = [make.record("random", s, accuracy=0.6) for s in range(3)]
    records += [make.record(c, s, accuracy=0.6 - d) for c, losses in gaps.items() for s, d in enumerate(losses)]
    results = gather_results("x", records)
    found = make.text(below_random_section(results, differences_table(results)))
    assert "l0 | -10.00 [-12.48, -7.52] | same widths as random" in found
    assert "l1" not in found and "obd" not in found


def test_below_random_is_not_claimed_without_random(make: SimpleNamespace) -> None:
    results = gather_results("x", [make.record()])
    assert "not known" in below_random_section(results, differences_table(results)).why_empty
    results = gather_results("x", make.grid(("magnitude", "random")))
    assert "No criterion" in make.text(below_random_section(results, differences_table(results)))


def test_layers_at_their_floor_are_named(make: SimpleNamespace) -> None:
    records = [make.record("taylor", s, ranking="global") for s in (0, 1)]
    assert floored_layers(records) == "fc1 500 -> 50 (2 of 2 seeds)"
    narrow = make.record(widths={"a": (10, 9), "b": (10, 2)})
    assert floored_layers([narrow]) == "none at its floor; least left: b (20%)"
