"""Who is chosen among the confirmed, with made-up standings."""

from prunebench.choosing.standing import Standing, chosen


def test_the_highest_mean_that_is_not_shown_worse_is_chosen() -> None:
    found = [Standing("a", 0.9, verdict="worse"), Standing("b", 0.8, verdict="undecided"), Standing("c", 0.7)]
    best = chosen(found)
    assert best is not None and best.criterion == "b" and not best.decided and found[0].decided


def test_magnitude_is_chosen_where_no_finalist_has_a_higher_mean_and_random_never() -> None:
    best = chosen([Standing("random", 0.9), Standing("magnitude", 0.8), Standing("a", 0.7, verdict="better")])
    assert best is not None and best.criterion == "magnitude"
    assert chosen([Standing("random", 0.9)]) is None and chosen([]) is None
