"""Assembly of the report from its sections."""

from importlib.metadata import version

import pandas as pd

from prunebench.reports.analysis.across_tasks import AcrossTasks
from prunebench.reports.analysis.causes import parts_without_pair
from prunebench.reports.document import Document, Figure, Items, Section, Text
from prunebench.reports.formatting import counted, seed_ranges
from prunebench.reports.results import Results
from prunebench.reports.sections.across_tasks import tasks_section
from prunebench.reports.sections.below_random import below_random_section
from prunebench.reports.sections.causes import causes_section
from prunebench.reports.sections.comparison import comparison_sections
from prunebench.reports.sections.costs import origin_section, speed_section, stages_section
from prunebench.reports.sections.curves import areas_section, fronts_section
from prunebench.reports.sections.failures import failures_section, repeated_sections
from prunebench.reports.sections.fidelity import fidelity_section
from prunebench.reports.sections.margins import margins_section
from prunebench.reports.sections.reestimated import TITLE as REESTIMATED, reestimated_sections, spoilt_sections
from prunebench.reports.sections.schedule import schedule_section
from prunebench.reports.sections.scoring_cost import prices_section
from prunebench.reports.sections.selection import selection_section
from prunebench.reports.sections.sparse_training import sparse_section
from prunebench.reports.sections.verdicts import verdicts_section
from prunebench.reports.sections.widths import widths_section
from prunebench.reports.tables.speed import main_setting

DEMONSTRATION = (
    "Demonstration, not evidence. A toy task (digits, the preset `quick`) or fewer than three seeds cannot tell "
    "criteria apart. This report gives its numbers and no verdict."
)
UNTRAINED = (
    "Nothing was trained after the cuts: 'fine-tuned' is the network as cut, with BatchNorm's statistics of the dense "
    "one. Verdicts, figures and fronts are of that; with the statistics taken anew the order of criteria can be "
    f"another: see '{REESTIMATED}'."
)
READING = (
    "Every criterion in a block (one seed of one task) starts from the same dense network and has the same data and "
    "the same number of epochs; what differs is the choice of units and, where the criterion has one, its regulariser. "
    "A mean stands with its 95 % t interval over seeds: how far other seeds might move the mean, not how single runs "
    "scatter. Read a difference from the paired table, not from two intervals that overlap: pairs share all that "
    "the seed decides.",
    "An interval of differences that contains zero does not show that two criteria are equal, and one that does not is "
    "one of many here: among twenty true zeros one such is expected; verdicts are corrected for that. The "
    "noise of the test pictures is in the intervals 'seeds x pictures' only. Keeps of one seed come from one "
    "trajectory and are no repetitions of each other.",
    "'cut' is the network right after removal, 'BN re-est.' with its BatchNorm statistics taken anew, 'fine-tuned' the "
    "result. The controls say what a criterion adds: `random` units in the same budget; `dense_continued`, the dense "
    "network trained as long; `shuffle:X`, the widths of X with random units; `scratch:X`, the widths of X trained "
    "from fresh weights. Under `local` ranking all criteria have the same widths and the same MACs; under the other "
    "rankings they also decide how much each layer loses.",
    "The theoretical speed-up counts multiply-accumulates; the measured one is the median over pairs of runs, dense "
    "and pruned in turn, on the machine that is named, and says nothing about others.",
)
NO_POINTS = "There are none here: `prunebench run`, or `pytest benchmarks/` as a whole, makes them."
SINGLE_WEIGHTS = (
    "Tasks named 'single weights' were pruned without structure: weights of convolutions and linear layers are set to "
    "zero one by one, biases and BatchNorm stay. There, 'units' in this report are single weights and 'widths' the "
    "numbers of weights that layers keep. Nothing is said of their speed: dense kernels compute the zeros, too."
)


def make_document(
    results: Results, tables: dict[str, pd.DataFrame], entries: list[AcrossTasks], pictures: list[Figure]
) -> Document:
    """Arrange the report. Sections without content are only named.

    tables: what `make_tables` returns; entries: what `compare_across_tasks` returns.
    """
    scores = [
        fidelity_section(results, tables["fidelity"], tables["score_matrix"]),
        prices_section(tables["prices"]),
    ]
    if results.records or results.failures:
        sections = [
            *_main_sections(results, tables, pictures),
            *_evidence_sections(results, tables, entries),
            scores[0],
            *_detail_sections(results, tables),
            scores[1],
            stages_section(tables["stages"]),
        ]
    else:
        sections = [*scores, Section("Pruned networks", (), NO_POINTS)]
    empty = [section for section in sections if section.why_empty]
    lines = tuple(f"{section.title.partition(':')[0]}: {section.why_empty}" for section in empty)
    present = [section for section in sections if not section.why_empty]
    present += [Section("Not in this report", (Items(lines),))] if lines else []
    banners = [DEMONSTRATION] * results.demonstration + [UNTRAINED] * results.untrained
    return Document("PruneBench report", " ".join(banners), _facts(results), (*present, origin_section(results)))


def _main_sections(results: Results, tables: dict[str, pd.DataFrame], pictures: list[Figure]) -> list[Section]:
    """Give the sections that answer the questions, and how to read the report."""
    condition = checkpoint_condition(results)
    more = (SINGLE_WEIGHTS,) if any(record.weights for record in results.records) else ()
    return [
        *([Section("Several protocols", (Items(results.notes),))] if results.notes else []),
        *repeated_sections(results),
        *spoilt_sections(results),
        verdicts_section(tables["differences"], tables["areas"], results.demonstration, condition),
        *([Section("Figures", tuple(pictures))] if pictures else []),
        margins_section(tables["margins"], tables["smallest_keeps"], results.demonstration, condition),
        causes_section(tables["causes"], parts_without_pair(results)),
        Section("How to read this", tuple(Text(text) for text in (*READING, *more))),
    ]


def checkpoint_condition(results: Results) -> str:
    """Say of which tasks all seeds start from one checkpoint; empty where there is none."""
    names = ", ".join(results.from_checkpoint)
    if not names:
        return ""
    return (
        f"All seeds of {names} start from one checkpoint. What is claimed of it holds for that checkpoint and its "
        "descendants; another training of the same network might answer otherwise."
    )


def _evidence_sections(results: Results, tables: dict[str, pd.DataFrame], entries: list[AcrossTasks]) -> list[Section]:
    """Give the sections of numbers: schedule, accuracies, differences, curves, fronts and tasks."""
    setting = main_setting(results)
    where = "{} ({}, batch {}, threads: {})".format(*setting) if setting else ""
    return [
        schedule_section(results),
        *comparison_sections(tables["summary"], tables["differences"], where, results.demonstration),
        *reestimated_sections(results),
        areas_section(tables["areas"]),
        fronts_section(tables["fronts"]),
        tasks_section(entries, tables["wilcoxon"], tables["aggregates"]),
    ]


def _detail_sections(results: Results, tables: dict[str, pd.DataFrame]) -> list[Section]:
    """Give the sections on failures, layers and measured speed."""
    return [
        below_random_section(results, tables["differences"]),
        failures_section(results),
        selection_section(results),
        sparse_section(results),
        widths_section(tables["widths"]),
        speed_section(tables["speed"]),
    ]


def _facts(results: Results) -> tuple[tuple[str, str], ...]:
    seen = {record.cell.seed for record in results.records} | {one.cell.seed for one in results.fidelity}
    tasks = {results.tasks[r.key] for r in results.records} or {one.cell.task for one in results.fidelity}
    finished = f"{len(results.records)} finished, {len(results.failures)} failed"
    older = f"{counted(results.superseded, 'older record')} of the same cells (another version of code or packages)"
    scored = counted(len(results.fidelity), "score") + " of dense networks"
    priced = f"{counted(len(results.prices), 'score')} on {', '.join(sorted({p.model for p in results.prices}))}"
    facts = (
        ("tasks", "; ".join(sorted(tasks))),
        ("points", finished if results.records or results.failures else ""),
        ("left out", older if results.superseded else ""),
        ("fidelity", scored if results.fidelity else ""),
        ("cost of scores", priced if results.prices else ""),
        ("seeds", seed_ranges(seen)),
        ("preset", (results.preset or "none") if tasks else ""),  # costs of scores alone have no preset
        ("command", results.command or "not recorded"),
        ("source", results.source),
        ("protocol version", ", ".join(map(str, results.protocol_versions))),
        ("PruneBench", version("prunebench")),
    )
    return tuple((name, text) for name, text in facts if text)
