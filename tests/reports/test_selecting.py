import shlex
from types import SimpleNamespace

import pytest

from prunebench.errors import UserError
from prunebench.records.record import Record
from prunebench.reports.named import Named
from prunebench.reports.results import gather_results
from prunebench.reports.selecting import name_point, point_lines, select, select_one


def test_a_point_is_named_by_what_tells_it_apart(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude", "taylor"))
    results = gather_results("x", records)
    assert str(name_point(records[0], results)) == "--criterion magnitude --keep 0.5 --seed 0"
    more = gather_results("x", [*records, make.record("taylor", ranking="global")])
    named = name_point(more.records[-1], more)
    assert str(named) == "--criterion taylor --keep 0.5 --seed 0 --ranking global"
    assert [select_one(more, name_point(one, more)).key for one in more.records] == [one.key for one in more.records]


def test_a_criterion_that_a_shell_would_read_is_quoted(make: SimpleNamespace) -> None:
    results = gather_results("x", [make.record("shuffle:a b")])
    assert str(name_point(results.records[0], results)).startswith("--criterion 'shuffle:a b'")
    results = gather_results("x", [make.record("it's:~ #1")])
    assert shlex.split(str(name_point(results.records[0], results)))[1] == "it's:~ #1"


def test_a_third_is_found_by_its_shown_keep(make: SimpleNamespace) -> None:
    results = gather_results("x", [make.record("taylor", keep=keep) for keep in (1 / 3, 0.5)])
    named = name_point(results.records[0], results)
    assert "--keep 0.333333" in str(named)
    assert [record.cell.keep for record in select(results, named)] == [1 / 3]


def test_points_that_failed_are_found_where_asked_for(make: SimpleNamespace) -> None:
    results = gather_results("x", [make.record("taylor", 1), make.failure("obd", 2)])
    assert [one.cell.criterion for one in select(results, Named())] == ["taylor"]
    with pytest.raises(UserError, match="x: this point failed, and has no network: loss diverged"):
        select(results, Named(criterion="obd"))
    with pytest.raises(UserError, match="unknown --criterion 'obd'"):
        select(results, Named(criterion="obd", seed="7"))
    assert [one.status for one in select(results, Named(criterion="obd"), failed=True)] == ["failed"]
    lines = point_lines(select(results, Named(), failed=True), results)
    assert [line.split("--")[0].split()[-1] for line in lines] == ["%", "failed"]


def test_of_several_seeds_the_first_is_taken_and_never_the_best(make: SimpleNamespace) -> None:
    records = [make.record("taylor", seed, accuracy=accuracy) for seed, accuracy in ((2, 0.9), (1, 0.5))]
    assert select_one(gather_results("x", records), Named(criterion="taylor")).cell.seed == 1


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (Named(criterion="tailor"), "unknown --criterion 'tailor' in x; did you mean 'taylor'"),
        (Named(criterion="taylor", seed="7"), "unknown --seed '7' in x; known: 0, 1, 2"),
        (Named(seed="0"), "4 points fit; name one, such as --criterion magnitude --keep 0.5 --seed 0; .*and 1 more"),
        (Named(keep="half"), "--keep half: not a list of numbers"),
    ],
)
def test_what_names_no_point(make: SimpleNamespace, named: Named, message: str) -> None:
    with pytest.raises(UserError, match=message):
        select_one(gather_results("x", make.grid(("magnitude", "taylor"))), named)


def test_points_come_in_the_order_of_the_tables(make: SimpleNamespace) -> None:
    results = gather_results("x", make.grid(("random", "taylor", "magnitude"), seeds=(1, 0)))
    found = [(r.cell.keep, r.cell.criterion, r.cell.seed) for r in select(results, Named(keep="0.5"))]
    assert found == [(0.5, name, seed) for name in ("magnitude", "taylor", "random") for seed in (0, 1)]


def _kinds(make: SimpleNamespace) -> list[Record]:
    """One point under two protocols, and by blocks and single weights."""
    asked = make.record("taylor").cell
    protocols = ({"epochs": 5}, {"epochs": 9}, {"epochs": 9, "units": "blocks"})
    ours = [make.record("taylor", protocol=one, key=f"k{number}") for number, one in enumerate(protocols)]
    weights = asked.model_copy(update={"metric": "weights"})
    return [*ours, make.record("taylor", cell=weights, key="k3")]


def test_protocols_and_kinds_of_units_are_named(make: SimpleNamespace) -> None:
    results = gather_results("x", _kinds(make))
    told = [str(name_point(record, results)) for record in results.records]
    first = "--criterion taylor --keep"
    assert told == [
        f"{first} macs=0.5 --seed 0 --units filters --protocol epochs=5",
        f"{first} macs=0.5 --seed 0 --units filters --protocol epochs=9",
        f"{first} macs=0.5 --seed 0 --units blocks",
        f"{first} weights=0.5 --seed 0 --units weights",
    ]
    assert select_one(results, Named(protocol="2")).key == "k1"  # its number in the report
    assert select_one(results, Named(protocol="epochs=5")).key == "k0"
    assert select_one(results, Named(protocol="repair=None,epochs=9.0", units="blocks")).key == "k2"
    paths = [{"weights": f"lr=0.1,wd={decay}.pth"} for decay in (5, 9)]
    odd = gather_results("x", [make.record(key=str(n), protocol=one) for n, one in enumerate(paths)])
    assert select_one(odd, Named(protocol="weights=lr=0.1,wd=9.pth")).key == "1"
    assert select_one(results, Named(units="blocks")).key == "k2"
    assert select_one(results, Named(units="weights")).key == "k3"


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (
            Named(units="filters"),
            "x: 2 points fit; name one, such as .*--protocol epochs=5; .*--protocol epochs=9; mnist x lenet5",
        ),
        (Named(units="filters"), r"Protocol 1: epochs = 5\. Protocol 2: epochs = 9\.$"),
        (Named(units="filters", protocol="3"), "unknown --protocol '3' in x; known: epochs=5, epochs=9"),
        (Named(units="filters", protocol="epochs=3"), "unknown --protocol 'epochs=3' in x; .*nown: epochs=5, epochs=9"),
        (
            Named(units="blocks", protocol="1"),
            "--protocol 1: the points that fit have one protocol; leave --protocol out",
        ),
        (
            Named(units="blocks", protocol="epochs=5"),
            "epochs=5: no point that fits has it; all have one other protocol",
        ),
        (Named(units="layers"), "unknown --units 'layers' in x; .*nown: blocks, filters, weights"),
    ],
)
def test_a_message_lists_the_protocols_and_units_that_there_are(
    make: SimpleNamespace, named: Named, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        select_one(gather_results("x", _kinds(make)), named)
