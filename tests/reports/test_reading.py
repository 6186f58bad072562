import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from prunebench.errors import UserError
from prunebench.records.packed import PerPicture
from prunebench.records.record import Record, StageValues
from prunebench.reports.combining import read_all
from prunebench.reports.reading import read_results
from prunebench.reports.results import gather_results
from prunebench.reports.tables.classes import class_tables


def test_a_folder(make: SimpleNamespace, tmp_path: Path) -> None:
    records = [*make.grid(seeds=(0,)), make.failure()]
    folder = make.folder(tmp_path / "results", records, [make.latency(records[0])], preset="quick")
    results = read_results(folder)
    assert len(results.records) == len(records) - 1
    assert results.failures[0].reason == "loss diverged"
    assert results.demonstration and results.command == "prunebench run"
    assert list(results.latencies) == [records[0].key]


def test_a_benchmark_json_is_the_same_as_the_folder(make: SimpleNamespace, tmp_path: Path) -> None:
    records = make.grid(("magnitude", "random"), seeds=(0, 1, 2))
    results = read_results(make.benchmark(tmp_path / "out.json", [*records, make.failure()], preset=None))
    assert list(results.records) == records
    assert len(results.failures) == 1 and len(results.latencies) == len(records)
    assert not results.demonstration


def test_entries_of_other_benchmarks_are_left_alone(make: SimpleNamespace, tmp_path: Path) -> None:
    path = make.benchmark(tmp_path / "out.json", [make.record()])
    data = json.loads(path.read_text())
    data["benchmarks"] += [{"name": "mine", "extra_info": {}}, {"name": "yours"}]
    path.write_text(json.dumps(data))
    assert len(read_results(path).records) == 1


def test_failed_cells_stand_beside_the_entries(make: SimpleNamespace, tmp_path: Path) -> None:
    path = make.benchmark(tmp_path / "out.json", [])
    data = json.loads(path.read_text())
    data["prunebench"]["untimed"] = [make.failure().model_dump(mode="json")]
    path.write_text(json.dumps(data))
    assert [record.reason for record in read_results(path).failures] == ["loss diverged"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a file of prunebench"),
        ('{"benchmarks": [{"na', "not a file of prunebench"),
        ("[1, 2]", "not a file of prunebench"),
        ('{"context": {}, "results": []}', "not a pytest-benchmark JSON"),
        ('{"benchmarks": 3}', "no list 'benchmarks'"),
        ('{"benchmarks": [1]}', "no list 'benchmarks'"),
        ('{"benchmarks": [{"extra_info": []}], "machine_info": 3}', "no PruneBench records"),
        ('{"benchmarks": []}', "no PruneBench records"),
        ('{"benchmarks": [{"name": "a", "extra_info": {}}]}', "no PruneBench records"),
        (
            '{"benchmarks": [], "prunebench": {"schema_version": 3, "untimed": 3}}',
            "untimed: Input should be a valid tuple",
        ),
        ('{"benchmarks": [], "prunebench": {"schema_version": 99}}', "schema 99, this version reads schema 3"),
        ('{"benchmarks": [{"extra_info": {"prunebench": {"record": {"schema_version": 9}}}}]}', "record schema 9"),
        ('{"benchmarks": [{"extra_info": {"prunebench": {"record": {"schema_version": 3}}}}]}', "corrupt record"),
    ],
)
def test_other_files_are_refused_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        read_results(path)
    assert message in str(error.value) and str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "out.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not a file of prunebench"):
        read_results(tmp_path / "out.json")


def test_folders_without_results(make: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file or folder"):
        read_results(tmp_path / "nowhere")
    with pytest.raises(UserError, match="no PruneBench results here"):
        read_results(tmp_path)


@pytest.mark.parametrize("place", ["run.json", "timing/imaginary-eager.json"])
def test_a_folder_of_another_schema(place: str, make: SimpleNamespace, tmp_path: Path) -> None:
    folder = make.folder(tmp_path, [make.record()])
    (folder / place).write_text('{"schema_version": 7, "latencies": []}')
    with pytest.raises(UserError, match="schema 7"):
        read_results(folder)


def test_tunings_are_read_from_a_folder_and_from_a_benchmark_json(make: SimpleNamespace, tmp_path: Path) -> None:
    facts = {"task": "mnist x lenet5", "criterion": "l1:strength=tuned", "metric": "macs", "keeps": [0.5]}
    facts |= {"seeds": [1000], "value": 0.1, "validation": {"0.1": 0.9}, "trials": 1, "seconds": 2.0}
    folder, file = make.folder(tmp_path / "r", [make.record()]), make.benchmark(tmp_path / "out.json", [make.record()])
    (folder / "choices").mkdir()
    (folder / "choices" / "strength-key.json").write_text(json.dumps(facts))
    data = json.loads(file.read_text())
    data["prunebench"]["tunings"] = [facts]
    file.write_text(json.dumps(data))
    for source in (folder, file):
        assert [one.value for one in read_results(source).tunings] == [0.1]
    data["prunebench"]["tunings"] = [{"task": "mnist x lenet5"}]
    file.write_text(json.dumps(data))
    with pytest.raises(UserError, match=r"out\.json: tunings\.0\.criterion: Field required"):
        read_results(file)


def test_true_labels_are_read_from_a_folder_and_from_a_benchmark_json(make: SimpleNamespace, tmp_path: Path) -> None:
    given = make.pictures(gather_results("x", make.grid(("magnitude",), (0, 1))))
    facts = given.data["0123456789abcdef"].model_dump(mode="json")
    records = [one.model_copy(update={"accuracy": _true_accuracy(one)}) for one in given.records]
    folder, file = make.folder(tmp_path / "r", records), make.benchmark(tmp_path / "out.json", records)
    (folder / "data").mkdir()
    (folder / "data" / "0123456789abcdef.json").write_text(json.dumps(facts))
    data = json.loads(file.read_text())
    data["prunebench"]["data"] = [facts]
    file.write_text(json.dumps(data))
    tables = [class_tables(read_all(sources)) for sources in ([folder], [file], [folder, file])]
    assert len(tables[0]["auc"]) == 3
    for name, table in tables[0].items():
        assert all(table.equals(other[name]) for other in tables[1:])
    data["prunebench"]["data"] = [facts | {"pictures": 3}]
    file.write_text(json.dumps(data))
    with pytest.raises(UserError, match=r"out\.json: data\.0: labels holds more numbers, not 3"):
        read_results(file)


def _true_accuracy(record: Record) -> StageValues:
    assert record.accuracy and record.per_image
    return record.accuracy.model_copy(update={"finetuned": float(record.per_image.right().mean())})


def test_what_was_asked_for_must_be_readable(make: SimpleNamespace, tmp_path: Path) -> None:
    folder = make.folder(tmp_path, [make.record()])
    (folder / "run.json").write_text('{"schema_version": 3, "asked": [{"ranking": "local", "metric": "macs"}]}')
    with pytest.raises(UserError, match=r"run\.json: asked\.0\.keeps: Field required"):
        read_results(folder)


def test_a_corrupt_record_and_a_corrupt_latency_are_named(make: SimpleNamespace, tmp_path: Path) -> None:
    folder = make.folder(tmp_path, [make.record()])
    timing = folder / "timing" / "imaginary-eager.json"
    timing.write_text('{"schema_version": 3, "latencies": [{"key": "a"}]}')
    with pytest.raises(UserError, match=r"imaginary-eager\.json: latencies\.0\.machine: Field required"):
        read_results(folder)
    timing.unlink()
    next((folder / "records").rglob("*.json")).write_text("{")
    with pytest.raises(UserError, match=r"0\.json: corrupt record"):
        read_results(folder)


def test_what_is_too_little_for_evidence(make: SimpleNamespace) -> None:
    three = make.grid(("magnitude", "random"), seeds=(0, 1, 2))
    toys = [r.model_copy(update={"cell": r.cell.model_copy(update={"dataset": "digits"})}) for r in three]
    assert not gather_results("x", three).demonstration
    assert gather_results("x", three, preset="quick").demonstration
    assert gather_results("x", make.grid(("magnitude", "random"), seeds=(0, 1))).demonstration
    assert gather_results("x", toys).demonstration


def test_records_of_one_dataset_have_as_many_pictures(make: SimpleNamespace, tmp_path: Path) -> None:
    right = ([1, 0], [1, 0, 1, 1])
    records = [
        make.record("l1", n, accuracy=sum(r) / len(r), per_image=PerPicture.pack(r, r, r)) for n, r in enumerate(right)
    ]
    folder, file = make.folder(tmp_path / "r", records), make.benchmark(tmp_path / "out.json", records, timed=False)
    with pytest.raises(UserError, match=r"1\.json: corrupt record: per_image\.pictures: 4, but 2 in .*0\.json"):
        read_results(folder)
    with pytest.raises(UserError, match=r"benchmark 2: corrupt record: per_image\.pictures: 4, but 2 in"):
        read_results(file)


@pytest.mark.parametrize(
    "edit", [{"machine_info": {"cpu": {"brand_raw": "\ud800\n", "count": [1]}}}, {"datetime": "\ud800"}]
)
def test_words_of_a_machine_can_be_written(make: SimpleNamespace, tmp_path: Path, edit: dict[str, object]) -> None:
    path = make.benchmark(tmp_path / "out.json", [make.record()])
    path.write_text(json.dumps(json.loads(path.read_text()) | edit))
    assert (read_results(path).machine or "").isprintable()
