"""Computes the stages that lead to a point, each once, and makes the record."""

import logging
import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from prunebench.data.splits import BlockData
from prunebench.errors import CellError, DamagedFileError, UserError, in_a_cell, printable, reason
from prunebench.plugins.expressions import Method
from prunebench.plugins.guard import why
from prunebench.plugins.regulariser import Regulariser, keeps_rate
from prunebench.pruning.masks import zero
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove
from prunebench.records.names import Metric
from prunebench.records.record import Cell, Epoch, Record
from prunebench.records.stage import FACTS, StageFacts, read_stage_facts
from prunebench.repair.repairing import repair
from prunebench.seeding import seeded
from prunebench.study.at_work import Step, alone, check_not_failed, doing, remember_failure
from prunebench.study.cut import Cutter, choice_change
from prunebench.study.environment import cpu_kernels, peak_memory, restart_peak
from prunebench.study.networks import Origin, load_into, network_digest, save
from prunebench.study.outcome import environment, measured, per_image, pushed_units, results, weight_count
from prunebench.study.stages import Stage, StagePlan
from prunebench.study.store import Store, key_of
from prunebench.study.task import Task
from prunebench.training.evaluate import Result, evaluate, with_batchnorm_reestimated
from prunebench.training.memory_format import in_format
from prunebench.training.train import Tick, TrainingSettings, steps_per_epoch, train

log = logging.getLogger("prunebench")


def cell_of(task: Task, method: Method, seed: int, metric: Metric, keep: float) -> Cell:
    """Return what a record says was asked for."""
    return Cell(
        dataset=task.dataset_label,
        model=task.model.label,
        criterion=method.name,
        seed=seed,
        metric=metric,
        keep=keep,
        ranking=task.protocol.ranking,
    )


def record_key(point: Stage, cell: Cell) -> str:
    """Return the key of a point's record."""
    return key_of(point.key, vars(cell))


@dataclass(eq=False, kw_only=True)
class Trajectory:
    """One criterion in one block on its way down the ladder."""

    task: Task
    method: Method
    seed: int
    metric: Metric
    store: Store
    device: torch.device
    threads: int = 1
    retry_failed: bool = True
    tick: Tick = lambda _: None
    _memory: dict[str, Network] = field(default_factory=dict)
    _reused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.protocol, self.structure = self.task.protocol, self.task.structure(self.metric)
        self.plan = StagePlan(self.protocol, self.task.facts(self.seed, self.device, self.threads), self.metric)
        self.cutter = Cutter(self.protocol, self.structure, self.metric, self.seed)

    @cached_property
    def data(self) -> BlockData:
        """Splits of the block, drawn at first use."""
        return self.task.data(self.seed, self.device)

    def blank(self, keep: float) -> Record:
        """Return the record of a keep before anything is computed: cell, protocol and key."""
        cell = cell_of(self.task, self.method, self.seed, self.metric, keep)
        key = record_key(self.plan.point(self.method, keep), cell)
        return Record(key=key, cell=cell, protocol=self.protocol.facts(), fingerprint=self.task.fingerprint)

    def finished(self, keep: float) -> Record | None:
        """Read the record of a point; None where it is not finished, or can now be compared with plain training.

        A failed point counts as finished where `retry_failed` is false.
        """
        record = self.store.get(self.blank(keep), failed=not self.retry_failed)
        again = record and record.not_compared and self.store.has(self.plan.point(self.method, keep).key)
        return None if again else record

    def point(self, keep: float) -> Record:
        """Compute a point. Stores its stages, but not the record."""
        stage = self.plan.point(self.method, keep)
        network = self.network(stage)
        with doing(Step(stage.key, stage.label), self.store.folder):
            record = self._record(self.blank(keep), stage, network)
        self._memory.pop(stage.key, None)
        return record

    def facts(self, stage: Stage) -> StageFacts:
        """Return the facts of a stage; computes the stage where it is not finished, or where its facts are damaged."""
        folder = self.store.stage(stage.key)
        try:
            if self.store.has(stage.key) and not (folder / FACTS).exists():
                raise DamagedFileError(f"{folder}: {FACTS} is missing")
            if (folder / FACTS).exists():
                with in_a_cell(DamagedFileError):
                    return read_stage_facts(folder)
        except DamagedFileError as error:
            self.store.set_aside(folder, error)
            self._memory.pop(stage.key, None)
        self.network(stage)
        self._memory.pop(stage.key)
        with in_a_cell():
            return read_stage_facts(folder)

    def network(self, stage: Stage) -> Network:
        """Return a stage's network: from memory, from the store, or computed now."""
        check_not_failed(self.store.folder, stage.key)
        if stage.key not in self._memory:
            if not self.store.has(stage.key):
                for needed in stage.needs():
                    with suppress(CellError) if needed is stage.beside else nullcontext():
                        self.network(needed)
            try:
                with alone(Step(stage.key, stage.label), self.store):
                    self._memory[stage.key] = self._load(stage) or self._compute(stage)
            except UserError:
                raise
            except (Exception, SystemExit) as error:  # remembered, or every keep and criterion would repeat it
                cause = reason(error) if isinstance(error, Exception) else f"the network: {why(error)}"
                remember_failure(self.store.folder, stage.key, cause)
                self._memory.clear()  # a plugin may have changed a network that other keeps start from
                raise CellError(cause) from error
        return self._memory[stage.key]

    def _load(self, stage: Stage) -> Network | None:
        """Load a stage's network; None where it is not stored, or damaged and set aside."""
        if not self.store.has(stage.key):
            return None
        folder = self.store.stage(stage.key)
        try:
            with in_a_cell(DamagedFileError):
                network = load_into(self.task.shell(), self.task.table, folder, self.task.found_blocks)
        except DamagedFileError as error:
            self.store.set_aside(folder, error)
            return None
        self._reused.append(stage.key)
        network.model = in_format(network.model, self.device, self.task.memory_format)
        return network

    def _compute(self, stage: Stage) -> Network:
        start = time.perf_counter()
        restart_peak(str(self.device))
        network, fields = self._start(stage)
        tested = stage.kind in ("dense", "point") and not stage.trial
        untrained = self._as_cut(network, fields) if tested and stage.kind == "point" else None
        if self._repair(stage, network, fields) and untrained:
            untrained = evaluate(network.model, self.data.test)
            fields["repaired"] = measured(untrained)
        curve = self._new_classifier(network) if stage.kind == "dense" else []
        ranked = self.structure.ranked(network)
        trained = train(ranked, self.data, self._settings(stage), self._regulariser(stage), self.tick)
        if stage.trial and stage.kind in ("dense", "point") and not stage.epochs:
            curve = [self._untrained(stage, network)]
        if stage.kind == "sparse" and trained.pushed:  # only cuts after it can follow the choice
            network.pushed = trained.pushed
            fields["pushed"] = sum(int(chosen.sum()) for chosen in trained.pushed.values())
        if tested:
            result = untrained if untrained and not stage.epochs else evaluate(network.model, self.data.test)
            fields |= {"final": measured(result), "images": per_image(result, self.data.classes)}
            fields["weights"] = weight_count(network.model)
        facts = StageFacts(
            seconds=time.perf_counter() - start,
            memory=peak_memory(str(self.device)),
            kernels=cpu_kernels(),
            digest=network_digest(network),
            parents=tuple(one.key for one in (stage.parent, stage.copies) if one is not None),
            curve=(*curve, *trained.curve),
            sparse=trained.sparse,
            **fields,
            **self._change(stage),  # after the seconds were taken
        )
        self._store(stage, network, facts)
        return network

    def _untrained(self, stage: Stage, network: Network) -> Epoch:
        """Measure a network that no epoch trains on validation pictures, since a trial has no other accuracy."""
        found = evaluate(network.model, self.data.validation)
        return Epoch(stage=stage.label, epoch=0, rate=0.0, loss=found.mean_loss, validation=found.accuracy)

    def _store(self, stage: Stage, network: Network, facts: StageFacts) -> None:
        loaded = self.task.loaded
        described = Origin(
            model=self.task.model.label,
            **self.task.shape,
            class_names=tuple(printable(name) for name in loaded.classes),
            mean=loaded.mean,
            std=loaded.std,
            graph=self.task.graph,
        )

        def fill(folder: Path) -> None:
            save(network, folder, described)
            facts.write(folder)

        self.store.finish_stage(stage.key, fill)

    def _start(self, stage: Stage) -> tuple[Network, dict[str, Any]]:
        """Return the network that a stage trains (new, a copy of the parent or the parent cut) and the cut's facts."""
        if stage.parent is None:
            with in_a_cell():
                return self.task.fresh(self.seed, self.device), {}
        parent = self.network(stage.parent)
        if stage.kind == "sparse":
            return remove(parent, {}), {}
        start = time.perf_counter()
        if stage.label == "scratch" and stage.copies is not None:
            network = self.cutter.to_widths_of(self.network(stage.copies), parent, stage)
            with seeded(self.seed, "scratch"), in_a_cell():
                self.task.model.reset(network.model)
            zero(network)
            return network, {}
        if stage.copies is not None:
            network = self.cutter.to_widths_of(self.network(stage.copies), parent, stage)
            return network, {"cut_seconds": time.perf_counter() - start}
        method = self.method.of or self.method  # a control computes the stages of the X that it copies
        cut = self.cutter.by_scores(parent, method, self.data, stage)
        return cut.network, {"floors": cut.floors, "selection": cut.facts, "cut_seconds": cut.seconds}

    def _as_cut(self, network: Network, fields: dict[str, Any]) -> Result:
        """Measure a network right after the cut, as it is and with BatchNorm re-estimated."""
        result = evaluate(network.model, self.data.test)
        copy = with_batchnorm_reestimated(network.model, self.data.calibration, self.protocol.calibration_batch)
        fields |= {"cut": measured(result), "cut_bn": measured(evaluate(copy, self.data.test))}
        return result

    def _repair(self, stage: Stage, network: Network, fields: dict[str, Any]) -> bool:
        """Repair a network that was cut from its stage's parent; tell whether anything was repaired."""
        if self.protocol.repair == "none" or stage.kind not in ("rung", "point") or stage.label == "scratch":
            return False
        assert stage.parent is not None
        start = time.perf_counter()
        batches = self.data.calibration.batches(max(2, self.protocol.calibration_batch))
        done = repair(self.protocol.repair, self.network(stage.parent), network, batches)
        fields["repair_seconds"] = time.perf_counter() - start
        return done

    def _change(self, stage: Stage) -> dict[str, Any]:
        """Compare the units that regularised and plain sparse training choose for the keep of a point."""
        if stage.beside is None:
            return {}
        method = self.method.of or self.method  # a control computes the stages of the X that it copies
        try:
            networks = self.network(stage.chain()[1]), self.network(stage.beside)
            with_term, without = (self.cutter.choose(network, method, self.data, stage) for network in networks)
        except Exception as error:  # the point is finished, and the plain training is no part of it
            log.warning("%s: not compared with plain training: %s", stage.label, reason(error))
            return {"not_compared": reason(error)}
        return {"change": choice_change(with_term.remove, without.remove, self.structure.costs.counts)}

    def _new_classifier(self, network: Network) -> list[Epoch]:
        """Train the new classifier of a transferred network; everything else is frozen."""
        protocol = self.protocol
        if not protocol.frozen_epochs:
            return []
        settings = replace(
            self._settings(self.plan.dense()),
            stage="classifier",
            epochs=protocol.frozen_epochs,
            rate=protocol.frozen_rate * (protocol.rate or 0.0),
            only=self.task.model.head_of(network.model),
        )
        return train(network, self.data, settings, None, self.tick).curve

    def _regulariser(self, stage: Stage) -> Regulariser | None:
        method = self.method.of or self.method
        if stage.kind == "sparse":
            return method.before if stage.regularised else None  # the plain one stands beside it
        return method.after if stage.kind in ("rung", "point") and stage.label != "scratch" else None

    def _settings(self, stage: Stage) -> TrainingSettings:
        assert isinstance(self.protocol.finetune_rate, float)
        share = {"dense": 1.0, "sparse": self.protocol.sparse_rate}.get(stage.kind, self.protocol.finetune_rate)
        if stage.label == "scratch":
            share = 1.0
        assert self.protocol.batch and self.protocol.rate and self.protocol.weight_decay is not None
        half = torch.bfloat16 if self.protocol.mixed_precision and self.device.type == "cuda" else None
        return TrainingSettings(
            stage=stage.label if stage.kind != "point" else f"{stage.label} {stage.keep:g}",
            epochs=stage.epochs - (self.protocol.frozen_epochs if stage.kind == "dense" else 0),
            rate=share * self.protocol.rate,
            batch=self.protocol.batch,
            weight_decay=self.protocol.weight_decay,
            seed=self.seed,
            precision=half,
            constant=self.protocol.constant_rate or (stage.kind == "sparse" and keeps_rate(self._regulariser(stage))),
            optimiser=self.protocol.optimiser,
        )

    def _record(self, blank: Record, stage: Stage, network: Network) -> Record:
        facts = {one.label: self.facts(one) for one in stage.chain()}
        if facts[stage.label].not_compared and stage.key in self._reused:
            again = {"change": None, "not_compared": ""} | self._change(stage)
            facts[stage.label] = facts[stage.label].model_copy(update=again)
        reused = tuple(one.label for one in stage.chain() if one.key in self._reused)
        each = steps_per_epoch(len(self.data.train), self.protocol.batch or 1)
        steps = {one.label: one.epochs * each for one in stage.chain()}
        return Record.model_validate(
            {
                **blank.model_dump(),
                **results(list(facts.values()), self.data.classes),
                **self.structure.record_fields(network),
                "pushed": pushed_units(list(facts.values()), network),
                "evidence": tuple(getattr(self.method.score, "evidence", ())),
                "dense": self.task.costs.dense,
                "widths": self.structure.widths(network),
                "strength": (self.method.of or self.method).strength,
                "network": stage.key,
                "environment": environment(facts, reused, str(self.device)).model_copy(update={"steps": steps}),
            }
        )
