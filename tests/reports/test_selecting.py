import shlex
from types import SimpleNamespace

import pytest

from prunebench.errors import UserError
from prunebench.reports.results import gather_results
from prunebench.reports.selecting import Named, name_point, select, select_one


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
