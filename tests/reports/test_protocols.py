from types import SimpleNamespace

import pytest

from prunebench.errors import UserError
from prunebench.reports.analysis.across_tasks import compare_across_tasks
from prunebench.reports.analysis.answers import find_answers
from prunebench.reports.analysis.differences import differences_table
from prunebench.reports.output.assembly import make_document
from prunebench.reports.output.compare import compare_runs
from prunebench.reports.output.latex import latex_tables
from prunebench.reports.output.rendering import html_page, markdown
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
    assert "Protocol 1: epochs = 3. Protocol 2: epochs = 30." in results.notes[0]


def test_other_data_is_another_protocol(make: SimpleNamespace) -> None:
    names, notes = name_tasks([make.record(key="a"), make.record(key="b", fingerprint="f" * 16)])
    assert len(set(names.values())) == 2
    assert "dataset fingerprint" in notes[0]


def test_versions_of_the_protocol_are_kept_apart_and_printed(make: SimpleNamespace) -> None:
    old = [make.record("magnitude", s) for s in (0, 1)]
    new = [make.record("taylor", s, protocol_version=2) for s in (0, 1)]
    results = gather_results("x", old + new)
    assert len(differences_table(results)) == 0
    assert (
        "Protocol 1: version of the protocol's rules = 1. Protocol 2: version of the protocol's rules = 2."
        in results.notes[0]
    )
    entries = compare_across_tasks(results)
    document = make_document(results, make.tables(results), entries, [], {})
    for text in (markdown(document), html_page(document), latex_tables(document)):
        assert "version of the protocol" in text and "1, 2" in text
    assert sorted(set(make.tables(results)["records"]["protocol_version"])) == [1, 2]
    again = gather_results("y", [make.record("magnitude", s, protocol_version=2) for s in (0, 1)])
    with pytest.raises(
        UserError,
        match="x has version 1 of the protocol's rules, y has version 2 of the protocol's rules; ",
    ):
        compare_runs(gather_results("x", old), again, 0.005)


def test_an_option_that_a_record_omits_is_told_with_its_default(make: SimpleNamespace) -> None:
    plain = make.record(key="a", protocol={"epochs": 3})
    repaired = make.record(key="b", protocol={"epochs": 3, "repair": "least-squares"})
    _, (note,) = name_tasks([plain, repaired])
    assert "Protocol 1: repair = none. Protocol 2: repair = least-squares." in note
    _, (unknown,) = name_tasks([make.record(key="a", protocol={"epochs": 3}), make.record(key="b", protocol={})])
    assert "epochs = not given" in unknown


def test_protocols_are_explained_before_their_answers(make: SimpleNamespace) -> None:
    found = [make.record("magnitude", s, key=f"{e}{s}", protocol={"epochs": e}) for s in (0, 1) for e in (3, 30)]
    results = gather_results("x", found)
    tables = make.tables(results)
    answers = find_answers(tables["summary"], tables["differences"])
    page = html_page(make_document(results, tables, compare_across_tasks(results), answers, {}))
    assert 0 < page.index("kept apart. Protocol 1: epochs = 3") < page.index("(protocol 1), 50 % of the MACs")


def test_numbers_of_protocols_do_not_hang_on_the_order_of_the_records(make: SimpleNamespace) -> None:
    protocols: list[dict[str, object]] = [{"epochs": e} for e in (3, 20, 100)]
    protocols.append({"epochs": 3, "repair": "bias"})
    found = [make.record(key=str(number), protocol=one) for number, one in enumerate(protocols)]
    forward, backward = name_tasks(found), name_tasks(found[::-1])
    assert forward == backward
    assert [forward[0][key][-2] for key in "0312"] == ["1", "2", "3", "4"]
