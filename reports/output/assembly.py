"""Assembly of the report: the answers, the numbers behind them, and the method."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.metadata import version

import pandas as pd

from prunebench.reports.analysis.across_tasks import AcrossTasks
from prunebench.reports.analysis.answers import Answer
from prunebench.reports.analysis.causes import parts_without_pair
from prunebench.reports.analysis.margins import MARGIN
from prunebench.reports.answer.all_points import points_table
from prunebench.reports.answer.causes import causes_section
from prunebench.reports.answer.decomposition import decomposition_section
from prunebench.reports.answer.families import notes_on_tests
from prunebench.reports.answer.fidelity import fidelity_section
from prunebench.reports.answer.glossary import glossary_section
from prunebench.reports.answer.headline import headline_section
from prunebench.reports.answer.margins import margins_section
from prunebench.reports.answer.matrix import matrix_section
from prunebench.reports.answer.tasks import tasks_section
from prunebench.reports.document import Document, Figure, Section, Text
from prunebench.reports.formatting import seed_ranges
from prunebench.reports.language.languages import ENGLISH
from prunebench.reports.language.message import SEMICOLON, Message, joined, say, say_many
from prunebench.reports.output.commands import repeating
from prunebench.reports.protocols import of_blocks, repair_of
from prunebench.reports.results import Results
from prunebench.reports.row_text import setting_text
from prunebench.reports.sections.below_random import below_random_section
from prunebench.reports.sections.blocks import blocks_section
from prunebench.reports.sections.classes import classes_section
from prunebench.reports.sections.comparison import UNRELIABLE, bound_note, budget_note, comparison_sections
from prunebench.reports.sections.costs import origin_section, speed_section
from prunebench.reports.sections.curves import areas_section, fronts_section
from prunebench.reports.sections.failures import failures_section, repeated_sections
from prunebench.reports.sections.loss_curves import loss_curves_section
from prunebench.reports.sections.model_table import model_section
from prunebench.reports.sections.prices import prices_section
from prunebench.reports.sections.reestimated import TITLE as REESTIMATED, reestimated_sections, spoilt_sections
from prunebench.reports.sections.samples import samples_section
from prunebench.reports.sections.schedule import schedule_section
from prunebench.reports.sections.selection import selection_section
from prunebench.reports.sections.sparse_training import sparse_section
from prunebench.reports.sections.widths import widths_section
from prunebench.reports.tables.speed import main_setting

Tables = Mapping[str, pd.DataFrame]
Figures = Mapping[str, Figure]
UNTRAINED = say(
    "Nothing was trained after the cuts: 'fine-tuned' is the network as cut, with BatchNorm's statistics of the dense "
    "one. Verdicts, figures and fronts are of that; with the statistics taken anew the order of criteria can be "
    "another: see '{section}'.",
    section=REESTIMATED,
)
REPAIRED = say(
    "Nothing was trained after the cuts: 'fine-tuned' is the network as repaired, or as cut where there was no repair. "
    "Verdicts, figures and fronts are of that."
)
READING = (
    say(
        "Every criterion in a block (one seed of one task) starts from the same dense network and has the same data "
        "and the same number of epochs; what differs is the choice of units and, where the criterion has one, its "
        "regulariser. A mean stands with its 95 % t interval over seeds: how far other seeds might move the mean, not "
        "how single runs scatter. Read a difference from the paired table, not from two intervals that overlap: pairs "
        "share all that the seed decides."
    ),
    say(
        "An interval of differences that contains zero does not show that two criteria are equal, and one that does "
        "not is one of many here: among twenty true zeros one such is expected; verdicts are corrected for that. The "
        "noise of the test pictures is in the intervals 'seeds x pictures' only. Keeps of one seed come from one "
        "trajectory and are no repetitions of each other."
    ),
    say(
        "'cut' is the network right after removal, 'BN re-est.' with its BatchNorm statistics taken anew, 'fine-tuned' "
        "the result. The controls say what a criterion adds: `random` units in the same budget; `dense_continued`, the "
        "dense network trained as long; `shuffle:X`, the widths of X with random units; `scratch:X`, the widths of X "
        "trained from fresh weights. Where filters are removed under `local` ranking, all criteria have the same "
        "widths and the same MACs; under the other rankings they also decide how much each layer loses."
    ),
    say(
        "The theoretical speed-up counts multiply-accumulates; the measured one is the median over pairs of runs, "
        "dense and pruned in turn, on the machine that is named, and says nothing about others."
    ),
)
NO_POINTS = say("There are none here: `prunebench run`, or `pytest benchmarks/` as a whole, makes them.")
NOTHING_TO_DRAW = say("There is nothing to draw.")
CURVES = say(
    "The smaller a network, the further to the right. The black dot is the dense network; a dashed line is a control."
)
SINGLE_WEIGHTS = say(
    "Tasks named 'single weights' were pruned without structure: weights of convolutions and linear layers are set to "
    "zero one by one, biases and BatchNorm stay. There, 'units' in this report are single weights and 'widths' the "
    "numbers of weights that layers keep. Nothing is said of their speed: dense kernels compute the zeros, too."
)
BLOCKS_TEXT = say(
    "Tasks named 'residual blocks' lost whole residual blocks in place of filters. Their networks are shallower, and "
    "the layers that stay keep their widths. There, 'units' that a criterion or `random` chose are blocks. A block's "
    "score is the sum over the units of its layers."
)


def make_document(
    results: Results,
    tables: Tables,
    entries: list[AcrossTasks],
    answers: list[Answer],
    figures: Figures,
    *,
    margin: float = MARGIN,
    lang: str = ENGLISH,
) -> Document:
    """Arrange the report. Sections without content are left out.

    tables: what `make_tables` returns; entries: what `compare_across_tasks` returns; answers: what `find_answers`
    returns; figures: by name; margin, lang: what the command that repeats the report asks for.
    """
    banners = [_demonstration(results)] * results.demonstration + [_untrained(results)] * results.untrained
    first = _answer_sections(results, tables, entries, answers, figures)
    details = [replace(one, folded=True) for one in _details(results, tables, figures) if not one.why_empty]
    if len(tables["summary"]):
        details.insert(0, _all_points(results, tables))
    return Document(
        say("PruneBench report"),
        tuple(banners),
        _facts(results),
        tuple(section for section in first if not section.why_empty),
        tuple(details),
        repeating(results, margin, lang),
        tuple(dict.fromkeys(tables["summary"].get("task", ()))),
    )


def _demonstration(results: Results) -> Message:
    reasons = joined(results.demonstration_reasons, SEMICOLON)
    return say("Demonstration, not evidence: {reasons}. This report gives its numbers and no verdict.", reasons=reasons)


def _answer_sections(
    results: Results, tables: Tables, entries: list[AcrossTasks], answers: list[Answer], figures: Figures
) -> list[Section]:
    """Give the sections that answer a question each, in the order of the page."""
    scores = fidelity_section(results, tables["fidelity"], tables["score_matrix"])
    fidelity = _illustrated(scores, figures, "fidelity")
    if not (results.records or results.failures):
        return [fidelity, _prices(tables), Section(say("Pruned networks"), (Text(NO_POINTS),))]
    condition, demonstration = checkpoint_condition(results), results.demonstration
    notes = () if demonstration else notes_on_tests(tables["differences"], tables["areas"])
    speed = speed_section(tables["speed"])
    decided = decomposition_section(tables["decomposition"], tables["choices"], tables["effects"])
    lossless = margins_section(tables["margins"], tables["smallest_keeps"], demonstration)
    return [
        headline_section(results, answers, tables, condition),
        *spoilt_sections(results),
        matrix_section(tables["differences"], notes, demonstration),
        _illustrated(Section(say("How large are the differences?"), (), name="differences"), figures, "forest"),
        _illustrated(
            Section(say("How far can I go?"), (Text(CURVES),) * ("accuracy" in figures), name="curves"),
            figures,
            *("accuracy", "accuracy_params", "accuracy_ms"),
        ),
        _illustrated(lossless, figures, "smallest_keeps"),
        _illustrated(speed, figures, "speed"),
        _illustrated(causes_section(tables["causes"], parts_without_pair(results)), figures, "causes"),
        _illustrated(decided, figures, "decomposition"),
        _illustrated(tasks_section(entries, tables["wilcoxon"], tables["aggregates"]), figures, "ranks"),
        fidelity,
        *([failures_section(results)] if _lacking(results) else []),
    ]


def _prices(tables: Tables) -> Section:
    return prices_section(tables["prices"], tables["repair_prices"], tables["growth"])


def _lacking(results: Results) -> bool:
    """Tell whether cells failed or were not run."""
    return bool(results.failures or results.missing)


def _illustrated(section: Section, figures: Figures, *names: str) -> Section:
    """Put figures at the top of a section, all but the first folded. A section without text lives from its figures."""
    given = [figures[name] for name in names if name in figures]
    found = tuple(replace(figure, folded=number > 0) for number, figure in enumerate(given))
    if not section.blocks and not found:
        return replace(section, why_empty=section.why_empty or NOTHING_TO_DRAW)
    return section if section.why_empty else replace(section, blocks=(*found, *section.blocks))


def _untrained(results: Results) -> Message:
    """Say what 'fine-tuned' means where nothing was trained."""
    repaired = any(repair_of(record) != "none" for record in results.records)
    return REPAIRED if repaired else UNTRAINED


def _all_points(results: Results, tables: Tables) -> Section:
    setting = main_setting(results)
    where = setting_text(setting) if setting else ""
    table = points_table(tables["summary"], tables["differences"], where, results.demonstration)
    notes = [*bound_note(table), *budget_note(table), *([Text(UNRELIABLE)] if table.contains("‡") else [])]
    return Section(say("All points"), (table, *notes), name="data")


def _details(results: Results, tables: Tables, figures: Figures) -> list[Section]:
    """Give the sections of numbers, and those of the method."""
    more = [SINGLE_WEIGHTS] * any(record.weights for record in results.records)
    more += [BLOCKS_TEXT] * any(map(of_blocks, results.records))
    return [
        *comparison_sections(tables["differences"], results.demonstration),
        areas_section(tables["areas"], results.demonstration),
        fronts_section(tables["fronts"]),
        *reestimated_sections(results),
        below_random_section(results, tables["differences"]),
        selection_section(results),
        sparse_section(results),
        _illustrated(loss_curves_section(tables["loss_curves"]), figures, "loss_curves"),
        classes_section(tables["confusion"], tables["classes"], tables["auc"]),
        samples_section(tables["samples"], results.data),
        model_section(tables["weights"], tables["layer_weights"]),
        widths_section(tables["widths"]),
        blocks_section(results),
        *([_prices(tables)] if results.records or results.failures else []),
        *repeated_sections(results),
        *([] if _lacking(results) else [failures_section(results)]),
        schedule_section(results),
        Section(say("How to read this"), tuple(Text(text) for text in (*READING, *more))),
        glossary_section(results),
        origin_section(results),
    ]


def checkpoint_condition(results: Results) -> str:
    """Say of which tasks all seeds start from one checkpoint; empty where there is none."""
    if not results.from_checkpoint:
        return ""
    return say(
        "All seeds of {names} start from one checkpoint. What is claimed of it holds for that checkpoint and its "
        "descendants; another training of the same network might answer otherwise.",
        names=joined(results.from_checkpoint),
    )


def _facts(results: Results) -> tuple[tuple[str, str], ...]:
    seen = {record.cell.seed for record in results.records} | {one.cell.seed for one in results.fidelity}
    tasks = {results.tasks[r.key] for r in results.records} or {one.cell.task for one in results.fidelity}
    environments = [record.environment for record in results.records if record.environment is not None]
    facts = (
        (say("tasks"), joined(sorted(tasks), SEMICOLON)),
        *_counts(results),
        (say("seeds"), seed_ranges(seen)),
        (say("preset"), results.preset or ""),  # one that is a file stands in the command
        (say("source"), results.source if results.kept else ""),
        (say("date"), results.date or ""),
        (
            say("data"),
            joined(dict.fromkeys(f"{r.cell.dataset} {r.fingerprint[:12]}" for r in results.records), SEMICOLON),
        ),
        (say("hash of the accuracies"), results.digest[:16]),
        (say("commit"), joined(dict.fromkeys(e.commit[:12] for e in environments if e.commit))),
        (say("version of the protocol's rules"), joined(map(str, results.protocol_versions))),
        (say("PruneBench version"), version("prunebench")),
    )
    return tuple((name, text) for name, text in facts if text)


def _counts(results: Results) -> Iterator[tuple[str, str]]:
    """Count what the report is made of."""
    if results.records or results.failures:
        given = {"finished": len(results.records), "failed": len(results.failures), "missing": len(results.missing)}
        yield (
            say("points"),
            say("{finished} finished, {failed} failed, {missing} not computed", **given)
            if results.missing
            else say("{finished} finished, {failed} failed", **given),
        )
    if results.superseded:
        yield (
            say("left out"),
            say_many(
                "{number} older record of the same cells (another version of code or packages)",
                "{number} older records of the same cells (another version of code or packages)",
                results.superseded,
            ),
        )
    if results.fidelity:
        scored = say_many(
            "{number} score of dense networks", "{number} scores of dense networks", len(results.fidelity)
        )
        yield say("fidelity"), scored
    if results.prices:
        models = joined(sorted({price.model for price in results.prices}))
        priced = say_many(
            "{number} score on {models}", "{number} scores on {models}", len(results.prices), models=models
        )
        yield say("cost of scores"), priced
    if results.repair_prices:
        models = joined(sorted({price.model for price in results.repair_prices}))
        priced = say_many(
            "{number} repair on {models}", "{number} repairs on {models}", len(results.repair_prices), models=models
        )
        yield say("cost of repairs"), priced
