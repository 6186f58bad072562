from statistics import mean
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
    answers = find_answers(tables["summary"], tables["differences"], results.demonstration)
    lines: list[str] = make.lines(headline_section(results, answers, tables, ""))
    return lines


def test_better_worse_and_undecided(make: SimpleNamespace) -> None:
    gaps = {"taylor": UP, "obd": tuple(-gap for gap in UP), "l1": (0.001, -0.001) * 5, "l0": tuple(g / 2 for g in UP)}
    (line,) = said(make, gather_results("x", records(make, gaps)))
    assert line.startswith(
        "mnist x lenet5, 50 % of the MACs: `taylor` is better than `magnitude` by 1.45 points (1.23 "
    )
    assert "Better, too: `l0`. Worse: `obd`. Undecided: `l1`." in line
    assert "No cut was shown to stay within 0.5 points of the dense network." in line
    assert line.endswith("Speed-up of `taylor` at 50 %: 1.93x in theory; not timed.")


def test_nothing_decided(make: SimpleNamespace) -> None:
    (few,) = said(make, gather_results("x", records(make, {"taylor": UP[:5]})))
    assert ": no verdict: 5 seeds; 6 needed." in few
    (open_,) = said(make, gather_results("x", records(make, {"taylor": (0.001, -0.001) * 5})))
    assert ": undecided against `magnitude` (10 seeds): `taylor`." in open_
    (worse,) = said(make, gather_results("x", records(make, {"taylor": tuple(-gap for gap in UP)})))
    assert ": no criterion is better than `magnitude` (10 seeds). Worse: `taylor`." in worse
    (alone,) = said(make, gather_results("x", [make.record("magnitude", seed) for seed in range(6)]))
    assert ": `magnitude` was run alone: nothing to compare." in alone
    (other,) = said(make, gather_results("x", [make.record("taylor", seed) for seed in range(6)]))
    assert ": no verdict: `magnitude` was not run." in other


def test_an_open_criterion_with_a_higher_mean_is_told(make: SimpleNamespace) -> None:
    (line,) = said(make, gather_results("x", records(make, {"taylor": (0.012, -0.01) * 5, "obd": (0.011, -0.01) * 5})))
    told = "Highest mean accuracy of those compared: `taylor` 90.10 %, `magnitude` 90.00 %; this proves nothing."
    assert f": undecided against `magnitude` (10 seeds): `taylor`, `obd`. {told}" in line
    (line,) = said(make, gather_results("x", records(make, {"taylor": (-0.012, 0.01) * 5, "obd": UP})))
    assert "Highest mean" not in line


def test_the_keep_with_most_verdicts_is_told(make: SimpleNamespace) -> None:
    even = (0.001, -0.001) * 5
    both = records(make, {"taylor": UP}, 0.5) + records(make, {"taylor": even}, 0.25)
    assert said(make, gather_results("x", both))[0].startswith("mnist x lenet5, 50 % of the MACs: `taylor` is better")
    neither = records(make, {"taylor": even}, 0.5) + records(make, {"taylor": even}, 0.25)
    assert said(make, gather_results("x", neither))[0].startswith("mnist x lenet5, 25 % of the MACs: undecided")


def test_the_largest_cut_and_the_speed(make: SimpleNamespace) -> None:
    found = records(make, {"taylor": UP})
    scores = [r.accuracy.model_copy(update={"finetuned": r.accuracy.dense}) for r in found if r.accuracy]
    level = [r.model_copy(update={"accuracy": a}) for r, a in zip(found, scores, strict=True)]
    (line,) = said(make, gather_results("x", level, [make.latency(r) for r in level]))
    cut = "Largest cut shown to stay within 0.5 points of the dense network: 50 % of the MACs removed, by "
    assert cut + "`magnitude`, `taylor`. It is the best of 2, each tested by itself (95 % interval)." in line
    assert "Speed-up of `magnitude` at 50 %: 1." in line
    assert "x measured on imaginary (eager, batch 64, 1 thread); " in line and " in theory." in line


def test_the_largest_cut_beside_the_network_trained_as_long(make: SimpleNamespace) -> None:
    better = [make.record("magnitude", seed, accuracy=0.99) for seed in range(6)]  # the dense network has about 0.975
    trained = [make.record("dense_continued", seed, accuracy=0.999) for seed in range(6)]
    (line,) = said(make, gather_results("x", [*better, *trained]))
    assert "of the dense network (95 % interval): 50 % of the MACs removed, by `magnitude`. No cut was shown to" in line
    assert "stay that close to the dense network trained as long." in line
    both = "magnitude", "dense_continued"
    equal = [make.record(name, seed, accuracy=0.98 + 0.001 * seed) for name in both for seed in range(6)]
    (line,) = said(make, gather_results("x", equal))
    assert "As close to the dense network trained as long: 50 % of the MACs removed, by `magnitude`." in line


def test_means_over_different_seeds_are_told(make: SimpleNamespace) -> None:
    even = records(make, {"taylor": UP})
    (line,) = said(make, gather_results("x", even))
    assert "same seeds" not in line
    (line,) = said(make, gather_results("x", [*even, make.record("magnitude", 77)]))
    assert "Not all means are over the same seeds (10 to 11 seeds)." in line


def test_many_criteria_of_one_cut_are_counted(make: SimpleNamespace) -> None:
    names = "magnitude", "taylor", "obd", "random"
    found = [make.record(name, seed, accuracy=0.99 + 0.001 * seed) for name in names for seed in range(6)]
    (line,) = said(make, gather_results("x", found))
    assert "50 % of the MACs removed, by all 4 criteria. It is the best of 4, each tested by itself" in line


def test_a_demonstration_says_which_reason_makes_it_one(make: SimpleNamespace) -> None:
    (line,) = said(make, gather_results("x", records(make, {"taylor": UP[:2]}), preset="quick"))
    assert "no verdict: a demonstration (the preset is `quick`; 2 of at least 3 seeds)." in line
    assert "better" not in line and "Largest cut" not in line


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


def test_a_cut_of_nearly_everything_is_not_everything(make: SimpleNamespace) -> None:
    found = [make.record("magnitude", seed, 0.004, accuracy=0.9) for seed in range(6)]
    scores = [r.accuracy.model_copy(update={"finetuned": r.accuracy.dense}) for r in found]
    level = [r.model_copy(update={"accuracy": a}) for r, a in zip(found, scores, strict=True)]
    (line,) = said(make, gather_results("x", level))
    assert line.startswith("mnist x lenet5, 0.4 % of the MACs: ")
    assert "(95 % interval): 99.6 % of the MACs removed, by `magnitude`." in line


def test_criteria_that_cannot_be_compared_are_named(make: SimpleNamespace) -> None:
    wide = make.record("taylor", 0, ranking="global").keep
    found = records(make, {"taylor": UP, "l1": UP})
    found = [r.model_copy(update={"keep": wide | {"macs": 0.9}}) if r.cell.criterion == "l1" else r for r in found]
    found += [make.record("obd", seed) for seed in range(90, 96)]
    (line,) = said(make, gather_results("x", found))
    assert "Not compared, as the networks do not cost the same: `l1`. No shared seed: `obd`." in line
    alone = [r for r in found if r.cell.criterion in ("magnitude", "obd")]
    assert (
        ": no criterion can be compared with `magnitude`. No shared seed: `obd`."
        in said(make, gather_results("x", alone))[0]
    )


def test_seeds_are_a_range_and_too_few_are_named(make: SimpleNamespace) -> None:
    (line,) = said(make, gather_results("x", records(make, {"taylor": (0.001, -0.001) * 5, "obd": UP[:3]})))
    assert ": undecided against `magnitude` (3 to 10 seeds): `taylor`." in line
    assert "Too few seeds (6 needed): `obd`." in line


def test_failed_seeds_are_told(make: SimpleNamespace) -> None:
    failures = [make.failure("l0", seed, keep) for seed in (0, 1) for keep in (0.5, 0.25)]
    (line,) = said(make, gather_results("x", [*records(make, {"taylor": UP}), *failures]))
    assert "Failed: 2 seeds of `l0`." in line


def test_a_slower_network_is_not_called_faster(make: SimpleNamespace) -> None:
    found = records(make, {"taylor": UP})
    slow = {"speedup": 0.8, "ratios": (0.8,) * 4, "low": 0.79, "high": 0.81}
    (line,) = said(make, gather_results("x", found, [make.latency(r).model_copy(update=slow) for r in found]))
    assert "Speed-up of `taylor` at 50 %: 0.80" in line and "faster" not in line


def test_the_number_of_seeds_counts_contrasts_that_failed(make: SimpleNamespace) -> None:
    found = records(make, {"taylor": UP[:6], "obd": UP[:6]})
    failed = [
        r.model_copy(update={"status": "failed", "accuracy": None}) if r.cell.criterion == "obd" else r for r in found
    ]
    (line,) = said(make, gather_results("x", failed))
    assert ": no verdict: 6 seeds; 7 needed. Failed: 6 seeds of `obd`." in line


def lossless(record: Record, lost: float = 0.0) -> Record:
    """The same point with the accuracy of its dense network, less some."""
    assert record.accuracy
    accuracy = record.accuracy.model_copy(update={"finetuned": record.accuracy.dense - lost})
    return record.model_copy(update={"accuracy": accuracy})


def test_the_largest_cut_is_the_smallest_keep_beside_the_dense_network(make: SimpleNamespace) -> None:
    found = [lossless(make.record(c, s, k)) for c in ("magnitude", "taylor") for s in range(6) for k in (0.5, 0.25)]
    found = [lossless(r, 0.02) if (r.cell.criterion, r.cell.keep) == ("taylor", 0.25) else r for r in found]
    found += [lossless(make.record("dense_continued", s, k), 0.02) for s in range(6) for k in (0.5, 0.25)]
    (line,) = said(make, gather_results("x", found))
    assert ": 75 % of the MACs removed, by `magnitude`. It is the best of 2, each tested by itself " in line


def test_the_dense_network_trained_as_long_stands_beside_the_pruned_one(make: SimpleNamespace) -> None:
    found = records(make, {"taylor": UP, "dense_continued": (0.05,) * 10})
    (line,) = said(make, gather_results("x", found))
    dense = mean(100 * one.accuracy.dense for one in found if one.accuracy and one.cell.criterion == "taylor")
    assert f"Accuracy: `taylor` 91.45 %, dense network {dense:.2f} %, dense network trained as long 95.00 %." in line
    (line,) = said(make, gather_results("x", [*records(make, {"taylor": UP}), *elsewhere(make)]))
    assert "trained as long" not in line


def elsewhere(make: SimpleNamespace) -> list[Record]:
    """The dense network trained on, at another keep only."""
    return [make.record("dense_continued", seed, 0.25) for seed in range(10)]


def test_one_seed_shows_no_cut(make: SimpleNamespace) -> None:
    found = [*records(make, {"taylor": UP}), lossless(make.record("magnitude", 0, ranking="global"))]
    lines = said(make, gather_results("x", found))
    assert "No cut was shown" in lines[0] and "cut" not in lines[1].lower()


def test_the_speed_is_that_of_the_keep_that_is_told(make: SimpleNamespace) -> None:
    found = records(make, {"taylor": (0.001, -0.001) * 5}, 0.5) + records(make, {"taylor": UP}, 0.25)
    timings = [make.latency(r).model_copy(update={"speedup": 1 / r.cell.keep, "low": 1.9, "high": 4.1}) for r in found]
    (line,) = said(make, gather_results("x", found, timings))
    assert "Speed-up of `taylor` at 25 %: 4.00 ± 0.00x measured on imaginary" in line
    assert ", unreliable as the machine was busy; " in line
    calm = [one.model_copy(update={"low": one.speedup - 0.1, "high": one.speedup + 0.1}) for one in timings]
    assert "unreliable" not in said(make, gather_results("x", found, calm))[0]


def test_a_worse_criterion_holds_for_these_pictures_only_too(make: SimpleNamespace) -> None:
    right = {"magnitude": [1, 1, 0, 0] * 4 + [1, 1, 1, 0], "taylor": [1, 1, 0, 0] * 5}  # one picture of twenty
    images = {c: PerPicture.pack(r, r, r) for c, r in right.items()}
    found = [make.record(c, s, accuracy=sum(right[c]) / 20, per_image=images[c]) for c in right for s in range(6)]
    assert "Worse: `taylor` (on these test pictures)." in said(make, gather_results("x", found))[0]
