"""Fidelity: the scores of a block's dense network beside the oracle, each computed once.

A criterion with a regulariser is compared by its score alone. The regulariser would change the network, and the
criteria would have no common oracle.
"""

import logging
import time
from dataclasses import replace

from prunebench.errors import UserError, reason
from prunebench.fidelity.cuts import Cuts
from prunebench.fidelity.truth import read_truth, truth_key
from prunebench.plugins.criterion import AnyCriterion, Criterion
from prunebench.records.fidelity import Fidelity, Ranked, ScoreRequest, read_fidelity
from prunebench.records.packed import Packed
from prunebench.seeding import generator
from prunebench.study.at_work import Step, doing
from prunebench.study.grid import Grid, Job, Work, make_trajectory, method_of
from prunebench.study.progress import Progress
from prunebench.study.run import note, start, work_off
from prunebench.study.spec import Spec
from prunebench.study.stages import SCORING, Stage, score_facts
from prunebench.study.store import Store, key_of
from prunebench.study.trajectory import Trajectory

log = logging.getLogger("prunebench")

NO_GATES = "its score reads gates, and a dense network has none: only sparse training adds gates"


def score_jobs(grid: Grid) -> tuple[Job, ...]:
    """List the scores of a grid's criteria, each once per block.

    Controls without a score and scores of gates are left out. The criterion of a job is the score alone: `reg_obd` and
    `hsqgl12+obd` give `obd`.
    """
    jobs = []
    for job in grid.jobs:
        criterion = method_of(grid.spec, job).score
        if criterion is not None and not reads_gates(criterion):
            jobs.append(replace(job, criterion=score_part(criterion).label))
    return tuple(dict.fromkeys(jobs))


def criteria_that_read_gates(grid: Grid) -> tuple[str, ...]:
    """Name the criteria of a grid that cannot score a dense network."""
    criteria = {job.criterion: method_of(grid.spec, job).score for job in grid.jobs}
    return tuple(name for name, criterion in criteria.items() if criterion is not None and reads_gates(criterion))


def reads_gates(criterion: AnyCriterion) -> bool:
    """Tell whether a score asks for gates, which only sparse training adds."""
    return isinstance(criterion, Criterion) and "gate" in criterion.evidence


def score_part(criterion: AnyCriterion) -> AnyCriterion:
    """Return a criterion without its regulariser and the regulariser's options."""
    own = criterion.own_options
    return replace(criterion, regulariser=None, options={k: v for k, v in criterion.options.items() if k in own})


def compare_scores(grid: Grid, jobs: tuple[Job, ...], progress: Progress) -> dict[Job, Fidelity]:
    """Return the fidelity of every job, computed or read from the results folder; failed jobs are included.

    grid: only its spec is used. Raises `UserError` if the results folder cannot be written.
    """
    note(Store(grid.spec.results), grid.spec)
    log.info(f"fidelity of {len(jobs)} scores")
    progress.begin(len(jobs))
    return {job: results[0] for job, results in work_off(replace(grid, jobs=jobs), progress, _SCORES)}


def score_job(spec: Spec, job: Job, progress: Progress | None = None) -> list[Fidelity]:
    """Return the fidelity of one score; an error gives a result with the status `failed`."""
    trajectory = start(spec, job, progress)
    request = _request(trajectory)
    try:
        return [_read_stored(trajectory.store, request) or _compute(trajectory, request)]
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        log.debug("traceback of the failed score", exc_info=True)
        return [request.model_copy(update={"status": "failed", "reason": reason(error)})]


def _stages(spec: Spec, job: Job) -> list[Stage]:
    """List the dense stage and the block's truth, which is stored as a stage."""
    trajectory = make_trajectory(spec, Store(spec.results), job)
    dense = trajectory.plan.dense()
    return [dense, replace(dense, label="oracle", key=truth_key(trajectory), parent=dense)]


_SCORES = Work(score_job, _stages)


def _criterion(trajectory: Trajectory) -> AnyCriterion:
    assert trajectory.method.score is not None
    return score_part(trajectory.method.score)


def _request(trajectory: Trajectory) -> Fidelity:
    """Fidelity without results: the request and its key."""
    task, name = trajectory.task, trajectory.method.name
    cell = ScoreRequest(dataset=task.dataset_label, model=task.model.label, criterion=name, seed=trajectory.seed)
    options = trajectory.protocol.facts(*SCORING, "units", "repair")
    calibration = {name: options[name] for name in ("calibration", "calibration_batch")}
    facts = {**score_facts(_criterion(trajectory)), "cell": cell.model_dump(), **calibration}
    if not trajectory.protocol.coupled:  # scores see no unit that stays, which may change their draws
        facts["ranked"] = "groups that may be pruned"
    return Fidelity(
        key=key_of(truth_key(trajectory), facts),
        cell=cell,
        protocol=options,
        fingerprint=task.fingerprint,
        network=trajectory.plan.dense().key,
    )


def _read_stored(store: Store, request: Fidelity) -> Fidelity | None:
    stored = store.stored(store.fidelity_path(request), read_fidelity)
    return stored if stored and stored.key == request.key else None


def _compute(trajectory: Trajectory, request: Fidelity) -> Fidelity:
    criterion, truth, cuts = _criterion(trajectory), read_truth(trajectory), Cuts(trajectory)
    network = trajectory.network(trajectory.plan.dense())
    trajectory.tick(f"scores of {criterion.label}")
    began = time.perf_counter()
    batches = trajectory.data.calibration.batches(trajectory.protocol.calibration_batch)
    with doing(Step(request.key, "scores"), trajectory.store.folder):
        draws = generator(trajectory.seed, "score", "fidelity")
        scores = cuts.joined(cuts.structure.score(criterion, network, batches, draws))
    seconds = time.perf_counter() - began
    groups = {
        name: Ranked(
            units=tuple(one.units),
            of=len(scores[name]),
            halves=(Packed.pack(one.halves[0], "float64"), Packed.pack(one.halves[1], "float64")),
            scores=Packed.pack(scores[name].double().cpu()[one.units].numpy(), "float64"),
        )
        for name, one in truth.groups.items()
    }
    result = Fidelity.model_validate(
        request.model_dump()
        | {
            "scale": criterion.scale,
            "evidence": tuple(getattr(criterion, "evidence", ())),
            "pictures": truth.pictures,
            "groups": groups,
            "seconds": {"scores": round(seconds, 4), "oracle": round(truth.seconds, 4)},
        }
    )
    trajectory.store.write_json(trajectory.store.fidelity_path(result), result.model_dump(mode="json"))
    return result


def forget_dense(grid: Grid, jobs: tuple[Job, ...]) -> None:
    """Delete the stored dense networks of the jobs under `--save none`."""
    store = Store(grid.spec.results)
    for job in jobs if grid.spec.save == "none" else ():
        store.drop_stage(start(grid.spec, job).plan.dense().key)
