from types import SimpleNamespace
from typing import Any

from prunebench.records.packed import PerPicture
from prunebench.records.record import Record
from prunebench.reports.analysis.answers import find_answers
from prunebench.reports.answer.headline import headline_section
from prunebench.reports.output.assembly import checkpoint_condition
from prunebench.reports.results import Results, gather_results

Gaps = dict[str, tuple[float, ...]]
UP = tuple(0.01 + 0.001 * i for i in range(10))


def records(
    make: SimpleNamespace, gaps: dict[str, tuple[float, ...]], keep: float = 0.5, **fields: Any
) -> list[Record]:
    """Points of `magnitude`, and of others at given differences from it, one for each seed."""
    seeds = max(len(gap) for gap in gaps.values())
    found = [make.record("magnitude", seed, keep, accuracy=0.9, **fields) for seed in range(seeds)]
    pairs = [(name, seed, gap) for name, part in gaps.items() for seed, gap in enumerate(part)]
    return found + [make.record(name, seed, keep, accuracy=0.9 + gap, **fields) for name, seed, gap in pairs]


def said(make: SimpleNamespace, results: Results) -> list[str]:
    tables = make.tables(results)
    answers = find_answers(tables["summary"], tables["differences"])
    lines: list[str] = make.lines(headline_section(results, answers, tables, ""))
    return lines


def test_better_worse_and_undecided(make: SimpleNamespace) -> None:
    gaps = {"taylor": UP, "obd": tuple(-gap for gap in UP), "l1": (0.001, -0.001) * 5, "l0": tuple(g / 2 for g in UP)}
    (line,) = said(make, gather_results("x", records(make, gaps)))
    assert line.startswith(
        "mnist x lenet5, 50 % of the MACs: `taylor` beats `magnitude` by 1.45 points (1.23 to 1.67; 10 "
    )
    assert "Better, too: `l0`. Worse: `obd`. Undecided: `l1`." in line
    assert "No cut was shown to stay within 0.5 points of the dense network." in line
    assert "Training alone (`dense_continued`) was not run. Theoretical speed-up of `taylor` " in line
    assert line.endswith("; not timed.")


def test_nothing_decided(make: SimpleNamespace) -> None:
    (few,) = said(make, gather_results("x", records(make, {"taylor": UP[:5]})))
    assert ": no verdict: 5 seeds shared with `magnitude`; 6 needed." in few
    (open_,) = said(make, gather_results("x", records(make, {"taylor": (0.001, -0.001) * 5})))
    assert ": no difference to `magnitude` can be told (10 seeds). Undecided: `taylor`." in open_
    (worse,) = said(make, gather_results("x", records(make, {"taylor": tuple(-gap for gap in UP)})))
    assert ": no criterion beats `magnitude` (10 seeds). Worse: `taylor`." in worse
    (alone,) = said(make, gather_results("x", [make.record("magnitude", seed) for seed in range(6)]))
    assert ": `magnitude` was run alone: nothing to compare." in alone
    (other,) = said(make, gather_results("x", [make.record("taylor", seed) for seed in range(6)]))
    assert ": no verdict: `magnitude` was not run." in other


def test_the_keep_with_most_verdicts_is_told(make: SimpleNamespace) -> None:
    even = (0.001, -0.001) * 5
    both = records(make, {"taylor": UP}, 0.5) + records(make, {"taylor": even}, 0.25)
    assert said(make, gather_results("x", both))[0].startswith("mnist x lenet5, 50 % of the MACs: `taylor` beats")
    neither = records(make, {"taylor": even}, 0.5) + records(make, {"taylor": even}, 0.25)
    assert said(make, gather_results("x", neither))[0].startswith("mnist x lenet5, 25 % of the MACs: no difference")


def test_the_largest_cut_and_the_speed(make: SimpleNamespace) -> None:
    found = records(make, {"taylor": UP})
    scores = [r.accuracy.model_copy(update={"finetuned": r.accuracy.dense}) for r in found if r.accuracy]
    level = [r.model_copy(update={"accuracy": a}) for r, a in zip(found, scores, strict=True)]
    (line,) = said(make, gather_results("x", level, [make.latency(r) for r in level]))
    assert "within 0.5 points of the dense network (95 % interval): 50 % of the MACs, by `magnitude`, `taylor`." in line
    assert "x as fast as dense on imaginary (eager, batch 64, 1 thread); theoretical " in line


def test_what_training_alone_gives(make: SimpleNamespace) -> None:
    found = records(make, {"taylor": UP, "dense_continued": (0.05,) * 10})
    (line,) = said(make, gather_results("x", found))
    assert "The dense network trained as long reaches 95.00 %, `taylor` 91.45 %." in line


def test_a_demonstration_says_which_reason_makes_it_one(make: SimpleNamespace) -> None:
    (line,) = said(make, gather_results("x", records(make, {"taylor": UP[:2]}), preset="quick"))
    assert "no verdict: a demonstration (the preset `quick` and 2 of at least 3 seeds)." in line
    assert "beats" not in line and "Largest cut" not in line


def test_several_rankings_are_told_apart(make: SimpleNamespace) -> None:
    both = records(make, {"taylor": UP}) + records(make, {"taylor": UP}, ranking="global")
    lines = said(make, gather_results("x", [r.model_copy(update={"key": f"{i}"}) for i, r in enumerate(both)]))
    assert [line.partition(":")[0] for line in lines] == [
        "mnist x lenet5, local ranking, 50 % of the MACs",
        "mnist x lenet5, global ranking, 50 % of the MACs",
    ]


def test_what_holds_for_these_pictures_only_says_so(make: SimpleNamespace) -> None:
    right = {"magnitude": [1, 1, 0, 0] * 5, "taylor": [1, 1, 0, 0] * 4 + [1, 1, 1, 0]}  # one picture of twenty
    images = {c: PerPicture.pack(r, r, r) for c, r in right.items()}
    found = [make.record(c, s, accuracy=sum(right[c]) / 20, per_image=images[c]) for c in right for s in range(6)]
    assert "; 6 seeds, on these test pictures)" in said(make, gather_results("x", found))[0]


def test_claims_of_one_checkpoint_say_so(make: SimpleNamespace) -> None:
    found = make.grid(("magnitude", "taylor"), range(6), (0.5,))
    assert checkpoint_condition(gather_results("x", found)) == ""
    given = [r.model_copy(update={"protocol": r.protocol | {"weights": "resnet20.th 0a1b"}}) for r in found]
    condition = checkpoint_condition(gather_results("x", given))
    assert condition.startswith("All seeds of mnist x lenet5 start from one checkpoint")
    tables = make.tables(gather_results("x", given))
    answers = find_answers(tables["summary"], tables["differences"])
    assert condition in make.text(headline_section(gather_results("x", given), answers, tables, condition))
