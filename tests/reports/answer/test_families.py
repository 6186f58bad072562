from types import SimpleNamespace
from typing import Any

from prunebench.reports.analysis.differences import contrast_tables, differences_table
from prunebench.reports.answer.families import families_note, too_few_seeds_notes
from prunebench.reports.results import gather_results


def test_the_families_are_counted(make: SimpleNamespace) -> None:
    def note(records: list[Any]) -> str:
        return " ".join(families_note(*contrast_tables(gather_results("x", records))))

    one = make.grid(("magnitude", "taylor", "obd"), range(6))
    text = note(one)  # two contrasts at two keeps and over the curve
    assert text.startswith("One family of tests, 6 contrasts") and "at most 5 %" in text
    text = note(one + make.grid(("magnitude", "taylor"), range(6), ranking="global"))
    assert text.startswith("2 families of tests, 9 contrasts") and "about 10 %" in text  # 1 - 0.95**2 = 0.0975
    assert note(make.grid(("magnitude", "random"), range(6))) == ""


def test_five_seeds_cannot_decide_and_say_how_many_can(make: SimpleNamespace) -> None:
    def notes(seeds: int) -> list[str]:
        records = make.grid(("magnitude", "taylor"), range(seeds), (0.5,))
        return list(too_few_seeds_notes(differences_table(gather_results("x", records))))

    (limit,) = notes(5)
    assert limit.startswith("5 seeds cannot decide, whatever they had given: the smallest possible p is 0.062. 6 seeds")
    assert notes(6) == []


def test_contrasts_that_failed_raise_the_number_of_seeds(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude", "taylor", "obd"), range(6), (0.5,))
    failed = [
        r.model_copy(update={"status": "failed", "accuracy": None}) if r.cell.criterion == "obd" else r for r in records
    ]
    (limit,) = too_few_seeds_notes(differences_table(gather_results("x", failed)))
    assert limit.startswith("6 seeds cannot decide") and "7 seeds are the fewest that can, then." in limit
