from types import SimpleNamespace

from prunebench.reports.analysis.fronts import fronts_table
from prunebench.reports.results import gather_results


def test_what_nothing_else_beats(make: SimpleNamespace) -> None:
    made = {("magnitude", 0.5): 0.9, ("taylor", 0.5): 0.92, ("magnitude", 0.25): 0.85, ("taylor", 0.25): 0.8}
    records = [make.record(criterion, 0, keep, accuracy=a) for (criterion, keep), a in made.items()]
    records += [make.record("dense_continued", accuracy=0.99), make.record("scratch:taylor", accuracy=0.98)]
    table = fronts_table(make.summary(gather_results("x", records)))
    assert set(table["cost"]) == {"MACs", "parameters"}
    front = table[table["on_front"] & (table["cost"] == "MACs")]
    assert list(zip(front["criterion"], front["keep"], strict=True)) == [("magnitude", 0.25), ("taylor", 0.5)]
    assert set(table["criterion"]) == {"magnitude", "taylor"}


def test_measured_times_are_no_cost_of_a_front(make: SimpleNamespace) -> None:
    records = [make.record("magnitude", keep=k) for k in (0.5, 0.25)]
    table = fronts_table(make.summary(gather_results("x", records, [make.latency(r) for r in records])))
    assert set(table["cost"]) == {"MACs", "parameters"}


def test_nothing_to_compare(make: SimpleNamespace) -> None:
    assert not len(fronts_table(make.summary(gather_results("x", []))))
