"""Worker processes are started here: one pool for the whole file."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from prunebench.data import looking, streaming
from prunebench.data.decoding import Form
from prunebench.data.pictures import Pictures
from prunebench.data.streaming import Files, in_workers, set_decoders
from prunebench.errors import CellError, UserError
from prunebench.study.grid import make_grid
from prunebench.study.progress import Progress
from prunebench.study.run import run

COUNT = 70


@pytest.fixture(scope="module", autouse=True)
def _two_processes() -> Iterator[None]:
    streaming._pool.cache_clear()
    set_decoders(2)
    yield
    streaming._pool().shutdown()
    streaming._pool.cache_clear()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Grey pictures that show their own number; labels modulo 3."""
    (tmp_path / "ä").mkdir()
    for number in range(COUNT):
        Image.new("L", (4, 4), number).save(tmp_path / "ä" / f"{number}.png")
    names = np.array([os.fsencode(f"ä/{number}.png") for number in range(COUNT)])
    return Files(tmp_path, names, torch.arange(COUNT) % 3, Form(channels=1, side=4))


def numbers(files: Files, chosen: list[torch.Tensor]) -> list[list[int]]:
    return [images[:, 0, 0, 0].tolist() for images, _ in files.batches(chosen)]


def test_batches_are_those_of_the_same_pictures_in_memory(files: Files) -> None:
    levels = torch.arange(COUNT, dtype=torch.uint8).view(-1, 1, 1, 1).expand(COUNT, 1, 4, 4)
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(0))
    held = Pictures(levels, files.labels)[order]
    chosen = torch.split(torch.randperm(COUNT, generator=torch.Generator().manual_seed(1)), 32)
    state = torch.get_rng_state()
    streamed = list(files[order].batches(chosen))
    assert torch.equal(torch.get_rng_state(), state)
    for (images, labels), (expected, theirs) in zip(streamed, held.batches(chosen), strict=True):
        assert torch.equal(images, expected)
        assert torch.equal(labels, theirs)
        assert images.is_contiguous()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_batches_arrive_on_a_gpu(files: Files) -> None:
    chosen = list(torch.split(torch.randperm(COUNT, generator=torch.Generator().manual_seed(1)), 16))
    there = list(files.to(torch.device("cuda")).batches(chosen))
    for (images, labels), (expected, theirs) in zip(there, files.batches(chosen), strict=True):
        assert images.device.type == labels.device.type == "cuda"
        assert torch.equal(images.cpu(), expected)
        assert torch.equal(labels.cpu(), theirs)


def test_workers_stay_from_one_pass_to_the_next(files: Files) -> None:
    def workers() -> set[int]:
        return set(streaming._pool()._processes)

    chosen = list(torch.split(torch.arange(COUNT), 20))
    numbers(files, chosen)
    before = workers()
    assert len(before) <= 2
    assert numbers(files, chosen) == [list(range(a, min(a + 20, COUNT))) for a in (0, 20, 40, 60)]
    assert workers() == before


def test_workers_find_relative_paths_after_a_change_of_folder(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    in_workers(looking.look, files.paths())  # they start here
    monkeypatch.chdir(files.root)
    relative = replace(files, root=Path())
    assert not any(one.error for one in in_workers(looking.look, relative.paths()))
    (images, _), *_ = relative.batches([torch.arange(2)])
    assert torch.equal(images, next(iter(files.batches([torch.arange(2)])))[0])


def test_passes_may_be_nested_and_left(files: Files) -> None:
    outer = files.batches(torch.split(torch.arange(COUNT), 10))
    assert next(outer)[0][0, 0, 0, 0] == 0
    assert numbers(files, [torch.tensor([5, 3])]) == [[5, 3]]
    assert next(outer)[0][0, 0, 0, 0] == 10
    del outer
    assert numbers(files, [torch.tensor([7])]) == [[7]]


def test_only_some_batches_are_decoded_ahead(files: Files) -> None:
    asked = 0

    def chosen() -> Iterator[torch.Tensor]:
        nonlocal asked
        for number in range(1000):
            asked += 1
            yield torch.full((32,), number % COUNT)

    batches = files.batches(chosen())
    next(batches)
    assert asked <= 2 + 2 * 2 * streaming.PIECE / 32
    batches.close()  # type: ignore[attr-defined]


def test_a_picture_that_cannot_be_read_is_named(files: Files) -> None:
    (files.root / "ä" / "41.png").write_bytes(b"cut short")
    batches = files.batches(torch.split(torch.arange(COUNT), 20))
    assert next(batches)[0].shape == (20, 1, 4, 4)
    with pytest.raises(CellError, match=r"41\.png: cannot be read as a picture") as error:
        list(batches)
    assert "\n" not in str(error.value)
    assert numbers(files, [torch.tensor([40])]) == [[40]]


@pytest.mark.parametrize(
    ("ask", "error"),
    [(lambda files: numbers(files, [torch.arange(20)]), CellError), (lambda files: files.survey(0), UserError)],
    ids=["batches", "survey"],
)
def test_a_killed_worker_is_said_and_replaced(
    ask: Callable[[Files], object], error: type[Exception], files: Files
) -> None:
    ask(files)
    broken = streaming._pool()._processes
    for worker in list(broken):
        os.kill(worker, signal.SIGKILL)
    with pytest.raises(error, match="a process that decodes pictures was killed, perhaps for lack of memory"):
        for _ in range(50):
            ask(files)
            time.sleep(0.1)
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in broken):  # also one that was started while the pool broke
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert numbers(files, [torch.tensor([4])]) == [[4]]


def test_a_process_that_was_started_while_the_pool_broke_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    pool = SimpleNamespace(_processes={7: SimpleNamespace(kill=lambda: ended.append(7))})
    made = cache(lambda: pool)
    monkeypatch.setattr(streaming, "_pool", made)
    streaming._drop_pool()
    assert ended == [7]
    assert made.cache_info().currsize == 0


UNGUARDED = """
from pathlib import Path
import numpy as np
import torch
from prunebench.data import looking, streaming

streaming.set_decoders(1)
print(streaming.Files(Path(__file__).parent, np.array([b"0.png"]), torch.zeros(1)).survey(0).shapes)
"""


def test_a_script_needs_no_guard_for_its_processes(tmp_path: Path) -> None:
    Image.new("L", (4, 4), 1).save(tmp_path / "0.png")
    (tmp_path / "script.py").write_text(UNGUARDED)
    ended = subprocess.run([sys.executable, "-P", tmp_path / "script.py"], capture_output=True, text=True, timeout=120)
    assert (ended.stdout, ended.returncode) == ("frozenset({(4, 4)})\n", 0), ended.stderr


def test_a_survey_of_all_pictures(files: Files) -> None:
    seen = files.survey(0)
    assert (seen.colour, seen.shapes) == (False, {(4, 4)})
    assert seen.counts.tolist() == [[16] * COUNT + [0] * (256 - COUNT)] * 3


def test_facts_change_with_names_sizes_labels_and_form(files: Files) -> None:
    def facts(files: Files) -> bytes:
        return b"".join(files.facts())

    before = facts(files)
    variants = [
        files[torch.arange(COUNT - 1)],
        files.relabelled(files.labels + 1),
        replace(files, form=Form(channels=3, side=4)),
        replace(files, names=files.names[::-1].copy()),
    ]
    assert before == facts(replace(files))
    assert len({before, *map(facts, variants)}) == 5
    with (files.root / "ä" / "0.png").open("ab") as file:
        file.write(b"x")
    assert facts(files) != before


SCRIPT = """
import sys, time

def decode(folder):
    from pathlib import Path
    import numpy as np
    import torch
    from prunebench.data import streaming
    from prunebench.data.decoding import Form
    streaming.set_decoders(2)
    files = streaming.Files(Path(folder), np.array([b"0.png"] * 64), torch.zeros(64), Form(1, 4))
    list(files.batches([torch.arange(64)]))
    return list(streaming._pool()._processes)

if __name__ == "__main__":
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:  # as `--workers` does
        pool.submit(decode, sys.argv[1]).result()
    print(*decode(sys.argv[1]), flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc whether a process is there")
def test_workers_end_with_their_parent_killed_or_not_and_never_load_torch(tmp_path: Path) -> None:
    Image.new("L", (4, 4), 1).save(tmp_path / "0.png")
    (tmp_path / "script.py").write_text(SCRIPT)
    with subprocess.Popen([sys.executable, "-P", tmp_path / "script.py", tmp_path], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        workers = [Path("/proc", worker) for worker in parent.stdout.readline().decode().split()]
        assert workers and not any("libtorch" in (worker / "maps").read_text() for worker in workers)
        parent.kill()
    deadline = time.monotonic() + 20
    while any(map(_runs, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(_runs, workers))


def _runs(process: Path) -> bool:
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_run_on_streamed_pictures_and_one_that_meets_a_damaged_one(tiny: Callable[..., Any], tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2, 60, 8, 8), dtype=np.uint8)
    for name, pictures in zip(("cat", "dog"), noise, strict=True):
        for number, pixels in enumerate(pictures):
            path = tmp_path / ("test" if number < 10 else "train") / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    options = {"criteria": "taylor", "keep": "macs=0.5", "train_fraction": 1.0, "batch": 32, "save": "none"}
    labels = [f"folder:{tmp_path}", f"folder:{tmp_path},memory=0"]
    grid = make_grid(tiny(tmp_path / "results", datasets=labels, **options))
    held, streamed = run(grid, Progress())
    assert held.status == streamed.status == "ok"
    assert held.per_image == streamed.per_image
    assert held.curves == streamed.curves
    assert held.fingerprint != streamed.fingerprint
    (tmp_path / "test" / "dog" / "0.png").write_bytes(b"damaged")
    (failed,) = run(make_grid(tiny(tmp_path / "others", datasets=labels[1:], seeds="1", **options)), Progress())
    assert failed.status == "failed"
    assert failed.reason is not None
    assert "test/dog/0.png: cannot be read as a picture" in failed.reason
