from html import unescape
from types import SimpleNamespace

from prunebench.reports.output.overview import overview, overview_html
from prunebench.reports.output.speed import speed_notes, speed_text
from prunebench.reports.results import gather_results
from prunebench.reports.tables.speed import speed_table


def test_one_table_for_each_task_and_ranking_within_a_hundred_columns(make: SimpleNamespace) -> None:
    long = "hsqgl12+obd:curvature=exact,strength=tuned"
    records = [*make.grid(("magnitude", "taylor", long, "random")), *make.grid(("taylor",), ranking="global")]
    text = overview(gather_results("mine", records))
    assert text.count("lenet5 | local ranking | keeps of MACs | seeds 0-2") == 1
    assert text.count("lenet5 | global ranking | keeps of MACs | seeds 0-2") == 1
    assert max(map(len, text.splitlines()[:-2])) <= 100  # commands stay whole, to be copied
    row = next(line for line in text.splitlines() if "taylor" in line)
    taylor = [record.accuracy.finetuned for record in records if record.cell.criterion == "taylor"][::2][:3]
    assert f"{100 * sum(taylor) / 3:.2f} ± " in row and "[" in row


def test_the_repair_stands_in_the_title(make: SimpleNamespace) -> None:
    mended = [
        one.model_copy(update={"protocol": one.protocol | {"repair": "bias", "finetune_epochs": 0, "rung_epochs": 0}})
        for one in make.grid(("magnitude", "taylor"))
    ]
    text = overview(gather_results("mine", mended))
    assert text.splitlines()[0].endswith(" | repair bias") and "accuracy: without training, %" in text


def test_a_long_name_is_broken_behind_its_signs_alone(make: SimpleNamespace) -> None:
    text = overview(gather_results("mine", make.grid(("group_lasso:strength=0.003", "magnitude"))))
    assert "  group_lasso: " in text and "        strength=0.003" in text


def test_the_export_of_a_model_of_ones_own_names_it(make: SimpleNamespace) -> None:
    record = make.record("taylor", 0)
    own = record.model_copy(update={"cell": record.cell.model_copy(update={"model": "mynet:make,width=12"})})
    show, export = overview(gather_results("mine", [own])).splitlines()[-2:]
    assert "--model mynet:make,width=12" in export and "--model" not in show


def test_the_network_of_a_python_run_is_loaded_in_python(make: SimpleNamespace) -> None:
    for objects, more in (("", ""), ("  # your own objects: Sequential (models)", ", model=network")):
        called = gather_results("mine", [make.record("taylor", 0)], command=f"prunebench.run(models='m'){objects}")
        call = f"prunebench.Results.read('mine').network(criterion='taylor', keep=0.5, seed=0{more}) in Python"
        assert overview(called).splitlines()[-1] == f"its network: {call}"


def test_the_call_names_the_metric_where_there_are_several(make: SimpleNamespace) -> None:
    first = make.record("taylor", 0)
    other = first.model_copy(update={"key": "other", "cell": first.cell.model_copy(update={"metric": "params"})})
    called = gather_results("mine", [first, other], command="prunebench.run(models='m')")
    assert "keep={'macs': 0.5}, seed=0" in overview(called).splitlines()[-1]


def test_every_seed_counts_once_in_the_dense_accuracy(make: SimpleNamespace) -> None:
    records = [make.record("taylor", 0), make.record("magnitude", 0), make.record("magnitude", 1)]
    for record, dense in zip(records, (0.5, 0.5, 0.9), strict=True):
        record.accuracy.__dict__["dense"] = dense
    elsewhere = make.record("taylor", 2, ranking="global")
    elsewhere.accuracy.__dict__["dense"] = 0.1
    assert " | dense 70.00" in overview(gather_results("mine", [*records, elsewhere])).splitlines()[0]


def test_what_is_missing_is_said(make: SimpleNamespace) -> None:
    text = overview(gather_results("mine", [make.record("taylor", 0), make.failure()]))
    assert "1 point failed" in text and "Demonstration" in text
    assert "prunebench export mine --criterion taylor --keep 0.5 --seed 0 --to FOLDER" in text
    failed = make.failure()
    only = overview(gather_results("mine", [failed]))
    assert only.startswith("1 point failed\n\n") and f"seed {failed.cell.seed}, failed: {failed.reason}" in only
    assert overview(gather_results("mine", [])) == "no point is finished"


def test_measured_speed_stands_beside_the_theoretical_one(make: SimpleNamespace) -> None:
    names = ("magnitude", "taylor", "random", "fpgm", "hsqgl12+obd:curvature=exact,strength=tuned")
    records = make.grid(names, keeps=(0.5,))
    timed = gather_results("mine", records, [make.latency(record) for record in records])
    lines = overview(timed, hint=False).splitlines()
    assert max(map(len, lines)) <= 100
    head = next(number for number, line in enumerate(lines) if "own interval" in line)
    assert "imaginary | eager, batch 64, threads: 1" in lines[head - 2]
    row = lines[head + 2]
    (own,) = (one for one in speed_table(timed).to_dict("records") if one["criterion"] == "magnitude")
    measured = f"{own['measured']:.2f} ± {own['measured_half']:.2f}x"
    assert f" {measured}  " in row and row.endswith(f"[{own['own_low']:.2f}, {own['own_high']:.2f}]")
    assert f" {own['theoretical']:.2f}x " in row and " 20.0 " in row
    assert "magnitude, " in row  # criteria of equal widths share the row
    assert "own interval" in overview_html(timed)
    assert "measured" not in overview(gather_results("mine", records))


def test_speed_ups_are_marked_and_explained_as_by_the_command_time(make: SimpleNamespace) -> None:
    record = make.record("magnitude")
    for ratios, low, marked in (((2.0, 2.0, 2.0), 1.99, False), ((1.0, 2.0, 4.0), 1.0, True)):
        latency = make.latency(record).model_copy(update={"ratios": ratios, "low": low, "high": 2.01})
        timed = gather_results("mine", [record], [latency])
        notes = speed_notes(speed_table(timed))
        assert ("‡ unreliable" in "".join(notes)) == marked
        for text in (overview(timed), speed_text(timed), overview_html(timed)):
            assert ("2.01] ‡" in text) == marked and "[" in text
            assert all(" ".join(note.split()) in unescape(" ".join(text.split())) for note in notes)
