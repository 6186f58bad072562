"""Runs the stages that lead to a point, each once, and writes the record."""

import json
import math
import time
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from prunebench.data.splits import BlockData
from prunebench.errors import CellError, UserError, reason
from prunebench.plugins.expressions import Method
from prunebench.plugins.regulariser import Regulariser
from prunebench.pruning.masks import zero
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove
from prunebench.records.names import Metric
from prunebench.records.record import Cell, Environment, Epoch, Packed, PerImage, Record, Scores
from prunebench.seeding import seeded
from prunebench.study import environment
from prunebench.study.cut import cut, cut_like
from prunebench.study.networks import load_into, save
from prunebench.study.stages import Plan, Stage
from prunebench.study.store import Store, key_of
from prunebench.study.task import Task, place
from prunebench.training.evaluate import Result, evaluate, with_batchnorm_reestimated
from prunebench.training.train import Plan as TrainingPlan, Tick, train

_FAILED: dict[tuple[Path, str], str] = {}  # why stages failed in this process, by results folder and key


def forget_failures() -> None:
    """Let stages that failed be tried again, in a run that starts now."""
    _FAILED.clear()


@dataclass(eq=False)
class Trajectory:
    """One criterion going down the ladder in one block."""

    task: Task
    method: Method
    seed: int
    metric: Metric
    store: Store
    device: torch.device
    tick: Tick = lambda _: None
    _memory: dict[str, Network] = field(default_factory=dict)
    _reused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.protocol, self.structure = self.task.protocol, self.task.structure(self.metric)
        self.plan = Plan(self.protocol, self.task.facts(self.seed, self.device), self.metric)

    @cached_property
    def data(self) -> BlockData:
        """Draw the block's splits, where something is to be computed."""
        return self.task.data(self.seed, self.device)

    def blank(self, keep: float) -> Record:
        """Give the record of a keep before anything is computed: what was asked, and its key."""
        cell = Cell(
            dataset=self.task.dataset_label,
            model=self.task.model.label,
            criterion=self.method.name,
            seed=self.seed,
            metric=self.metric,
            keep=keep,
            ranking=self.protocol.ranking,
        )
        key = key_of(self.plan.point(self.method, keep).key, cell.model_dump())
        return Record(key=key, cell=cell, protocol=self.protocol.model_dump(), fingerprint=self.task.fingerprint)

    def finished(self, keep: float) -> Record | None:
        """Read the record of a finished point."""
        return self.store.get(self.blank(keep))

    def point(self, keep: float) -> Record:
        """Compute a point; the stages that lead to it are stored, the record is not."""
        stage = self.plan.point(self.method, keep)
        record = self._record(self.blank(keep), stage, self.network(stage))
        del self._memory[stage.key]
        return record

    def facts(self, stage: Stage) -> dict[str, Any]:
        """Give what a stage left behind beside its network, which is computed where it never was."""
        if not (self.store.stage(stage.key) / "facts.json").exists():
            self.network(stage)
            del self._memory[stage.key]
        return self._facts(stage)

    def network(self, stage: Stage) -> Network:
        """Give a stage's network: from memory, from the store, or by computing it."""
        place = (self.store.folder, stage.key)
        if place in _FAILED:
            raise CellError(_FAILED[place])
        if stage.key not in self._memory:
            if not self.store.has(stage.key):
                for needed in (stage.parent, stage.copies):
                    if needed is not None:
                        self.network(needed)
            try:
                with self.store.lock(stage.key):
                    self._memory[stage.key] = self._load(stage) if self.store.has(stage.key) else self._compute(stage)
            except UserError:
                raise
            except Exception as error:  # once is enough: it would come again at every keep and criterion
                _FAILED[place] = reason(error)
                self._memory.clear()  # a plugin may have changed a network that other keeps start from
                raise
        return self._memory[stage.key]

    def _load(self, stage: Stage) -> Network:
        self._reused.append(stage.label)
        network = load_into(self.task.shell(), self.task.table, self.store.stage(stage.key))
        network.model = place(network.model, self.device)
        return network

    def _compute(self, stage: Stage) -> Network:
        start = time.perf_counter()
        environment.restart_peak(str(self.device))
        network, facts = self._start(stage)
        cut = None
        tested = stage.kind in ("dense", "point") and not stage.trial
        if tested and stage.kind == "point":
            cut = evaluate(network.model, self.data.test)
            facts["cut"] = _numbers(cut)
            copy = with_batchnorm_reestimated(network.model, self.data.calibration, self.protocol.calibration_batch)
            facts["cut_bn"] = _numbers(evaluate(copy, self.data.test))
        curve = self._new_classifier(network) if stage.kind == "dense" else []
        trained = train(network, self.data, self._training(stage), self._regulariser(stage), self.tick)
        facts["curve"] = [asdict(epoch) for epoch in (*curve, *trained.curve)]
        facts["sparse"] = trained.sparse.model_dump() if trained.sparse else None
        if tested:
            result = cut if cut and not stage.epochs else evaluate(network.model, self.data.test)
            facts["final"], facts["images"] = _numbers(result), self._images(result)
        facts["seconds"] = time.perf_counter() - start
        facts["memory"] = environment.peak_memory(str(self.device))
        described = {"model": self.task.model.label, **self.task.shape}

        def fill(folder: Path) -> None:
            save(network, folder, described)
            (folder / "facts.json").write_text(json.dumps(facts))

        self.store.finish_stage(stage.key, fill)
        return network

    def _start(self, stage: Stage) -> tuple[Network, dict[str, Any]]:
        """Give the network that a stage trains: fresh, the parent's, or the parent's after a cut."""
        if stage.parent is None:
            return self.task.fresh(self.seed, self.device), {}
        parent = self.network(stage.parent)
        if stage.kind == "sparse":
            return remove(parent, {}), {}
        start = time.perf_counter()
        if stage.label == "scratch" and stage.copies is not None:
            network = cut_like(self.structure, parent, self.network(stage.copies), self.seed, stage)
            with seeded(self.seed, "scratch"):
                self.task.model.reset(network.model)
            zero(network)
            return network, {}
        if stage.copies is not None:
            like = self.network(stage.copies)
            network, floors = cut_like(self.structure, parent, like, self.seed, stage), list[str]()
        else:
            method = self.method.of or self.method  # a control comes here for the stages of the X that it copies
            network, floors = cut(self.task, self.data, method, parent, stage, self.metric, self.seed)
        return network, {"floors": floors, "cut_seconds": time.perf_counter() - start}

    def _new_classifier(self, network: Network) -> list[Epoch]:
        """Train the classifier of a transferred network, with everything else frozen."""
        protocol = self.protocol
        if not protocol.frozen_epochs:
            return []
        plan = replace(
            self._training(self.plan.dense()),
            stage="classifier",
            epochs=protocol.frozen_epochs,
            rate=protocol.frozen_rate * (protocol.rate or 0.0),
            only=self.task.model.head_of(network.model),
        )
        return train(network, self.data, plan, None, self.tick).curve

    def _regulariser(self, stage: Stage) -> Regulariser | None:
        method = self.method.of or self.method
        if stage.kind == "sparse":
            return method.before
        return method.after if stage.kind in ("rung", "point") and stage.label != "scratch" else None

    def _training(self, stage: Stage) -> TrainingPlan:
        assert isinstance(self.protocol.finetune_rate, float)
        share = {"dense": 1.0, "sparse": self.protocol.sparse_rate}.get(stage.kind, self.protocol.finetune_rate)
        if stage.label == "scratch":
            share = 1.0
        assert self.protocol.batch and self.protocol.rate and self.protocol.weight_decay is not None
        half = torch.bfloat16 if self.protocol.mixed_precision and self.device.type == "cuda" else None
        return TrainingPlan(
            stage=stage.label if stage.kind != "point" else f"{stage.label} {stage.keep:g}",
            epochs=stage.epochs - (self.protocol.frozen_epochs if stage.kind == "dense" else 0),
            rate=share * self.protocol.rate,
            batch=self.protocol.batch,
            weight_decay=self.protocol.weight_decay,
            seed=self.seed,
            precision=half,
        )

    def _images(self, result: Result) -> dict[str, Any]:
        kind = "uint8" if self.data.classes <= 256 else "uint16"
        predicted, loss = Packed.of(result.predicted.numpy(), kind), Packed.of(result.loss.numpy(), "float16")
        correct = Packed.of(result.correct.numpy(), "uint8")
        return PerImage(predicted=predicted, loss=loss, correct=correct).model_dump()

    def _facts(self, stage: Stage) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads((self.store.stage(stage.key) / "facts.json").read_text())
        return facts

    def _record(self, blank: Record, stage: Stage, network: Network) -> Record:
        chain = [(s, self._facts(s)) for s in stage.chain()]
        point, dense = chain[-1][1], chain[0][1]
        parts = {"dense": dense["final"], "cut": point["cut"], "cut_bn": point["cut_bn"], "finetuned": point["final"]}
        scores = {
            name: Scores(**{part: values[name] for part, values in parts.items()})
            for name in (("accuracy", "loss", "top5") if self.data.classes >= 100 else ("accuracy", "loss"))
        }
        return Record.model_validate(
            {
                **blank.model_dump(),
                **scores,
                "evidence": tuple(getattr(self.method.score, "evidence", ())),
                "dense": self.task.costs.dense,
                **self.structure.left(network),
                "widths": self.task.costs.widths(network.units),
                "floors": tuple(point.get("floors", ())),
                "per_image": PerImage.model_validate(point["images"]),
                "curves": tuple(epoch for _, facts in chain for epoch in facts["curve"]),
                "sparse": next((facts["sparse"] for _, facts in reversed(chain) if facts["sparse"]), None),
                "strength": (self.method.of or self.method).strength,
                "network": stage.key,
                "environment": self._environment(chain),
            }
        )

    def _environment(self, chain: list[tuple[Stage, dict[str, Any]]]) -> Environment:
        return Environment(
            versions=environment.versions(),
            device=environment.device_name(str(self.device)),
            cpu=environment.cpu_name(),
            threads=torch.get_num_threads(),
            commit=environment.commit(),
            seconds={s.label: round(facts["seconds"], 4) for s, facts in chain},
            cutting_seconds=round(sum(facts.get("cut_seconds", 0.0) for _, facts in chain), 4),
            reused=tuple(dict.fromkeys(self._reused)),
            memory={s.label: facts.get("memory", 0) for s, facts in chain},
            peak_memory=max(facts.get("memory", 0) for _, facts in chain),
        )


def _numbers(result: Result) -> dict[str, float]:
    if not math.isfinite(result.mean_loss):
        why = "training diverged, or was too short for the statistics of BatchNorm"
        raise CellError(f"the network's loss on the test pictures is {result.mean_loss}: {why}")
    return {"accuracy": result.accuracy, "loss": result.mean_loss, "top5": result.top5}
