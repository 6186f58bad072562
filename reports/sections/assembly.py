"""Put a report together from results."""

from importlib.metadata import version

import pandas as pd

from prunebench.reports.analysis.across_tasks import compare_across_tasks
from prunebench.reports.analysis.causes import parts_without_pair
from prunebench.reports.document import Document, Items, Picture, Section, Text
from prunebench.reports.formatting import counted, seed_ranges
from prunebench.reports.results import Results
from prunebench.reports.sections import costs, details, evidence
from prunebench.reports.sections.across_tasks import tasks_section
from prunebench.reports.sections.comparison import comparison_sections
from prunebench.reports.sections.fidelity import fidelity_section
from prunebench.reports.sections.reestimated import TITLE as REESTIMATED
from prunebench.reports.sections.reestimated import reestimated_sections
from prunebench.reports.sections.schedule import schedule_section
from prunebench.reports.sections.scoring_cost import prices_section
from prunebench.reports.sections.verdicts import verdicts_section
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


def make_document(results: Results, tables: dict[str, pd.DataFrame], pictures: list[Picture]) -> Document:
    """Arrange the report; what has nothing to show is only named. tables: by name, as `tabulating.make_tables`."""
    scores = [
        fidelity_section(results, tables["fidelity"], tables["score_matrix"]),
        prices_section(tables["prices"]),
    ]
    if results.records or results.failures:
        sections = _of_points(results, tables, pictures, scores)
    else:
        sections = [*scores, Section("Pruned networks", (), NO_POINTS)]
    lines = tuple(f"{section.title.partition(':')[0]}: {section.why}" for section in sections if section.why)
    shown = [section for section in sections if not section.why]
    shown += [Section("Not in this report", (Items(lines),))] if lines else []
    banners = [DEMONSTRATION] * results.demonstration + [UNTRAINED] * results.untrained
    return Document("PruneBench report", " ".join(banners), _facts(results), (*shown, costs.origin_section(results)))


def _of_points(
    results: Results, tables: dict[str, pd.DataFrame], pictures: list[Picture], scores: list[Section]
) -> list[Section]:
    """Arrange what pruned networks show, with the sections on scores among it."""
    setting = main_setting(results)
    where = "{} ({}, batch {}, threads: {})".format(*setting) if setting else ""
    demonstration = results.demonstration
    more = (SINGLE_WEIGHTS,) if any(record.weights for record in results.records) else ()
    fidelity, prices = scores
    return [
        *([Section("Several protocols", (Items(results.notes),))] if results.notes else []),
        *details.repeated_sections(results),
        verdicts_section(tables["differences"], tables["areas"], demonstration),
        *([Section("Figures", tuple(pictures))] if pictures else []),
        evidence.margins_section(tables["margins"], tables["smallest_keeps"], demonstration),
        evidence.causes_section(tables["causes"], parts_without_pair(results)),
        Section("How to read this", tuple(Text(text) for text in (*READING, *more))),
        schedule_section(results),
        *comparison_sections(tables["summary"], tables["differences"], where, demonstration),
        *reestimated_sections(results),
        evidence.areas_section(tables["areas"]),
        evidence.fronts_section(tables["fronts"]),
        tasks_section(compare_across_tasks(results), tables["wilcoxon"], tables["aggregates"]),
        fidelity,
        details.below_random_section(results, tables["differences"]),
        details.failures_section(results),
        details.sparse_section(results),
        details.widths_section(tables["widths"]),
        costs.speed_section(tables["speed"]),
        prices,
        costs.stages_section(tables["stages"]),
    ]


def _facts(results: Results) -> tuple[tuple[str, str], ...]:
    seen = {record.cell.seed for record in results.records} | {one.cell.seed for one in results.fidelity}
    tasks = {results.tasks[r.key] for r in results.records} or {one.cell.task for one in results.fidelity}
    points = f"{len(results.records)} finished, {len(results.failures)} failed"
    older = f"{counted(results.superseded, 'older record')} of the same cells (another version of code or packages)"
    scored = counted(len(results.fidelity), "score") + " of dense networks"
    priced = f"{counted(len(results.prices), 'score')} on {', '.join(sorted({p.model for p in results.prices}))}"
    facts = (
        ("tasks", "; ".join(sorted(tasks))),
        ("points", points if results.records or results.failures else ""),
        ("left out", older if results.superseded else ""),
        ("fidelity", scored if results.fidelity else ""),
        ("cost of scores", priced if results.prices else ""),
        ("seeds", seed_ranges(seen)),
        ("preset", (results.preset or "none") if tasks else ""),  # scores alone are timed on what is theirs
        ("command", results.command or "not recorded"),
        ("source", results.source),
        ("PruneBench", version("prunebench")),
    )
    return tuple((name, text) for name, text in facts if text)
