from types import SimpleNamespace

from prunebench.reports.analysis.differences import differences_table
from prunebench.reports.protocols import name_tasks
from prunebench.reports.results import gather_results


def test_one_protocol_needs_no_number(make: SimpleNamespace) -> None:
    names, notes = name_tasks([make.record(), make.record(ranking="global")])
    assert set(names.values()) == {"mnist x lenet5"}
    assert notes == ()


def test_two_protocols_are_never_pooled_nor_paired(make: SimpleNamespace) -> None:
    short = [make.record("magnitude", s, key=f"a{s}", protocol={"epochs": 3}) for s in (0, 1)]
    long = [make.record("taylor", s, key=f"b{s}", protocol={"epochs": 30}) for s in (0, 1)]
    results = gather_results("x", short + long)
    assert make.summary(results)["task"].tolist() == ["mnist x lenet5 (protocol 1)", "mnist x lenet5 (protocol 2)"]
    assert len(differences_table(results)) == 0
    assert "protocol 1: epochs = 3; protocol 2: epochs = 30" in results.notes[0]


def test_other_data_is_another_protocol(make: SimpleNamespace) -> None:
    names, notes = name_tasks([make.record(key="a"), make.record(key="b", fingerprint="f" * 16)])
    assert len(set(names.values())) == 2
    assert "dataset fingerprint" in notes[0]
