"""Fidelity: the scores of a block's dense network beside the true change of the loss, each computed once.

Criteria with a regulariser are compared by their score alone: the regulariser would change the network, and a common
truth would be gone.
"""

import logging
import os
import time
from dataclasses import replace

from torch import Tensor

from prunebench.errors import UserError, reason
from prunebench.fidelity.truth import read_truth, truth_key
from prunebench.plugins.criterion import AnyCriterion, Criterion
from prunebench.records.fidelity import Fidelity, Ranked, Scoring, read_fidelity
from prunebench.records.record import Packed
from prunebench.scoring.score import score
from prunebench.seeding import generator
from prunebench.study.grid import Grid, Job, method_of
from prunebench.study.progress import Progress
from prunebench.study.run import note, start, work_off
from prunebench.study.spec import Spec
from prunebench.study.stages import SCORING, score_facts
from prunebench.study.store import Store, key_of
from prunebench.study.trajectory import Trajectory

log = logging.getLogger("prunebench")

NO_GATES = "its score reads gates, which a dense network does not have: they come with sparse training"


def score_jobs(grid: Grid) -> tuple[Job, ...]:
    """Give the scores that a grid's criteria use, each once in a block; controls without a score are left out.

    The criterion of a job is the score alone: `reg_obd` and `hsqgl12+obd` give `obd`.
    """
    jobs = []
    for job in grid.jobs:
        found = method_of(grid.spec, job).score
        if found is not None and not reads_gates(found):
            jobs.append(replace(job, criterion=score_part(found).label))
    return tuple(dict.fromkeys(jobs))


def criteria_that_read_gates(grid: Grid) -> tuple[str, ...]:
    """Name the criteria of a grid that cannot score a dense network."""
    methods = {job.criterion: method_of(grid.spec, job).score for job in grid.jobs}
    return tuple(name for name, found in methods.items() if found is not None and reads_gates(found))


def reads_gates(criterion: AnyCriterion) -> bool:
    """Tell whether a score needs what only sparse training with gates leaves behind."""
    return isinstance(criterion, Criterion) and "gate" in criterion.evidence


def score_part(criterion: AnyCriterion) -> AnyCriterion:
    """Give a criterion without its regulariser and the options of that."""
    own = criterion.own_options
    return replace(criterion, regulariser=None, options={k: v for k, v in criterion.options.items() if k in own})


def compare_scores(grid: Grid, jobs: tuple[Job, ...], progress: Progress) -> dict[Job, Fidelity]:
    """Compute the fidelity of every job, failed ones included; what is in the results folder is read from there.

    grid: for its spec. Raises `UserError` where nothing more can be written.
    """
    note(Store(grid.spec.results), grid.spec)
    log.info(f"fidelity of {len(jobs)} scores")
    progress.begin(len(jobs))
    return {job: found[0] for job, found in work_off(replace(grid, jobs=jobs), progress, score_job)}


def score_job(spec: Spec, job: Job, progress: Progress | None = None) -> list[Fidelity]:
    """Compute the fidelity of one score; a failure is its record."""
    trajectory = start(spec, job, progress)
    blank = _blank(trajectory)
    try:
        return [_stored(trajectory.store, blank) or _compute(trajectory, blank)]
    except UserError:
        raise
    except Exception as error:
        log.debug("traceback of the failed score", exc_info=True)
        return [blank.model_copy(update={"status": "failed", "reason": reason(error)})]


def _criterion(trajectory: Trajectory) -> AnyCriterion:
    assert trajectory.method.score is not None
    return score_part(trajectory.method.score)


def _blank(trajectory: Trajectory) -> Fidelity:
    """Say what is asked for, and its key."""
    task, name = trajectory.task, trajectory.method.name
    cell = Scoring(dataset=task.dataset_label, model=task.model.label, criterion=name, seed=trajectory.seed)
    options = {name: getattr(trajectory.protocol, name) for name in SCORING}
    calibration = {name: options[name] for name in ("calibration", "calibration_batch")}
    facts = {**score_facts(_criterion(trajectory)), "cell": cell.model_dump(), **calibration}
    key = key_of(truth_key(trajectory), facts)
    return Fidelity(key=key, cell=cell, protocol=options, fingerprint=task.fingerprint)


def _stored(store: Store, blank: Fidelity) -> Fidelity | None:
    file = store.fidelity_path(blank)
    if not file.exists():
        return None
    os.utime(file)  # the newest of a cell is the one that was asked for last
    found = read_fidelity(file)
    return found if found.key == blank.key else None


def _compute(trajectory: Trajectory, blank: Fidelity) -> Fidelity:
    criterion, known = _criterion(trajectory), read_truth(trajectory)
    network = trajectory.network(trajectory.plan.dense())
    trajectory.tick(f"scores of {criterion.label}")
    began = time.perf_counter()
    batches = trajectory.data.calibration.batches(trajectory.protocol.calibration_batch)
    scores = score(criterion, network, batches, generator(trajectory.seed, "score", "fidelity"))
    seconds = time.perf_counter() - began
    groups = {
        name: Ranked(
            units=tuple(units.tolist()),
            of=network.units[name],
            halves=(_packed(known.halves[name][0]), _packed(known.halves[name][1])),
            scores=_packed(scores[name].double().cpu()[units]),
        )
        for name, units in known.units.items()
    }
    found = Fidelity.model_validate(
        blank.model_dump()
        | {
            "scale": criterion.scale,
            "evidence": tuple(getattr(criterion, "evidence", ())),
            "pictures": known.pictures,
            "groups": groups,
            "seconds": {"scores": round(seconds, 4), "oracle": round(known.seconds, 4)},
        }
    )
    trajectory.store.write_json(trajectory.store.fidelity_path(found), found.model_dump(mode="json"))
    return found


def _packed(values: Tensor) -> Packed:
    return Packed.pack(values.numpy(), "float64")


def forget_dense(grid: Grid, jobs: tuple[Job, ...]) -> None:
    """Forget the dense networks, where `--save none` asks for it."""
    store = Store(grid.spec.results)
    for job in jobs if grid.spec.save == "none" else ():
        store.drop_stage(start(grid.spec, job).plan.dense().key)
