from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from prunebench.reports.combining import read_all
from prunebench.reports.document import Section, Text
from prunebench.reports.output.commands import repeating
from prunebench.reports.output.writing import write_report
from prunebench.reports.results import gather_results


def test_a_report_says_how_it_is_made_again(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude", "taylor"), range(2))
    run = "prunebench tune --results my ; prunebench run --results my"
    results = gather_results("my results", records, command=run)
    assert repeating(results) == (
        ("results in my results: mnist x lenet5", ("prunebench tune --results my", "prunebench run --results my")),
        ("this report", ("prunebench report 'my results'",)),
    )
    (last,) = repeating(results, margin=0.01, lang="fa")[-1][1]
    assert last == "prunebench report 'my results' --margin 1 --lang fa"
    assert repeating(gather_results("x", records)) == (("this report", ("prunebench report x",)),)


def test_timings_are_repeated_in_their_settings(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude", "taylor"), range(2))
    timings = [make.latency(record).model_copy(update={"ratios": (1.5,) * 20}) for record in records]
    other = {"backend": "onnx", "batch": 1, "threads": 2, "ratios": (1.5,) * 6}
    timings += [one.model_copy(update=other) for one in timings]
    (_, commands), _ = repeating(gather_results("a", records, timings, command="prunebench run"))
    assert commands == (
        "prunebench run",
        "prunebench time a",
        "prunebench time a --backend onnx --timing-batch 1 --threads 2 --timing-rounds 6",
    )
    (_, commands), _ = repeating(gather_results("a.json", records, timings, command="pytest benchmarks/"))
    assert commands == ("pytest benchmarks/",)


def test_timing_allows_models_of_ones_own_and_loads_the_plugins_of_the_run(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude",), range(2), (0.5,))
    records += [make.record("magnitude", seed=9, cell=records[0].cell.model_copy(update={"model": "net:make,width=8"}))]
    timings = [make.latency(records[0]).model_copy(update={"ratios": (1.5,) * 20})]
    run = "prunebench run --plugin 'my models.py' --plugin=more.py"
    (_, commands), _ = repeating(gather_results("a", records, timings, command=run))
    assert commands[1:] == ("prunebench time a --model net:make --plugin 'my models.py' --plugin more.py",)
    run = "prunebench run --models 'lenet5 ../net.py:make,width=8' --plugin \"it's.py\""
    (_, commands), _ = repeating(gather_results("a", records, timings, command=run))
    assert commands[1:] == ("prunebench time a --model ../net.py:make --plugin 'it'\"'\"'s.py'",)
    assert repeating(gather_results("a", records, timings, command="prunebench run --plugin 'cut"))


def test_a_run_of_python_is_repeated_and_timed_in_python(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude",), range(2))
    timings = [make.latency(record) for record in records]
    run = "prunebench.run(seeds='0,1')  # your own objects: Sequential (models)"
    results = gather_results("a", records, timings, command=run)
    (_, commands), _ = repeating(results)
    assert commands == (f">>> results = {run}", ">>> results.time(timing_rounds=4)")


def test_each_source_has_its_own_commands(make: SimpleNamespace, tmp_path: Path) -> None:
    first = make.folder(tmp_path / "b", make.grid(("magnitude", "taylor"), range(2)))
    cells = [record.cell.model_copy(update={"dataset": "cifar10"}) for record in make.grid(("magnitude",), range(2))]
    other = [make.record("magnitude", n, key=f"o{n}", cell=cell) for n, cell in enumerate(cells)]
    second = make.folder(tmp_path / "a", other)
    steps = repeating(read_all([first, second]))
    assert [name for name, _ in steps] == [
        f"results in {first}: mnist x lenet5",
        f"results in {second}: cifar10 x lenet5",
        "this report",
    ]
    assert [commands[0] for _, commands in steps[:2]] == ["prunebench run"] * 2
    assert steps[-1][1] == (f"prunebench report {first} {second}",)


def test_a_report_with_sections_in_front_is_made_by_the_command_of_its_results(
    make: SimpleNamespace, tmp_path: Path
) -> None:
    records = make.grid(("magnitude", "taylor"), range(2))
    run = "prunebench choose lenet5 mnist"
    results = gather_results("a", records, [make.latency(record) for record in records], command=run)
    page = write_report(results, tmp_path, front=(Section("The choice", (Text("Choose."),)),))[0].parent / "report.md"
    assert f"```sh\n# this report\n{run}\n```" in page.read_text()
    write_report(replace(results, command=None), tmp_path, front=(Section("The choice", (Text("Choose."),)),))
    assert "```sh" not in page.read_text()


def test_a_folder_that_will_be_gone_stands_in_no_command(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude",), range(2))
    timings = [make.latency(record) for record in records]
    results = gather_results("/gone", records, timings, command="prunebench run")
    assert repeating(replace(results, kept=False)) == (("results: mnist x lenet5", ("prunebench run",)),)
