"""The section on fidelity: whether scores order the units as the true change of the loss does."""

from typing import Any

import pandas as pd

from prunebench.reports.analysis.fidelity import HALVES, MEASURES, ORACLE, OVER_ALL, REACHABLE, WITHIN
from prunebench.reports.answer.fidelity_sentences import fidelity_sentences
from prunebench.reports.document import Items, Part, Section, Table, Text
from prunebench.reports.formatting import MISSING, correlation_with_half, duration, is_missing, percent
from prunebench.reports.language.message import SPACE, joined, marked, say, say_many
from prunebench.reports.results import Results
from prunebench.reports.sections.comparison import bound_note
from prunebench.reports.statistics.agreement import SHARE

TITLE = say("Fidelity: do the scores tell the truth?")
NOT_MEASURED = say("Not measured here: `pytest benchmarks/test_fidelity.py` with the options of this run adds it.")
ORACLE_WORDS = {HALVES: say("(oracle, half against half)"), REACHABLE: say("(reachable)")}
HOW = (
    say(
        "The oracle removes one unit or residual block at a time from the dense network, in eval mode, and takes "
        "the loss again on held-out pictures (of validation, never of the test split). BatchNorm stays as it is, "
        "unless a repair is named below. Removed first is what costs least, so scores are compared with the signed "
        "change; the agreement with its size alone stands beside it, which is what squared and absolute scores "
        "estimate. Criteria with a regulariser are here with their score alone."
    ),
    say(
        "The oracle is noisy itself. '{halves}' is how far one half of its pictures agrees with the other, "
        "'{reachable}' about the most that a score without any error could reach (Spearman only). And it removes units "
        "singly, with no training after it: a criterion may order single units well and still choose a poor set, or "
        "the other way round.",
        halves=ORACLE_WORDS[HALVES],
        reachable=ORACLE_WORDS[REACHABLE],
    ),
)
HEADER = (
    *(
        say("criterion"),
        "n",
        say("Spearman"),
        say("to the size"),
        say("Kendall"),
        say("weighted tau"),
        say("lowest quarter"),
    ),
    *(say("all layers: Spearman"), say("all layers: lowest quarter"), say("time")),
)


def fidelity_section(results: Results, fidelity: pd.DataFrame, matrix: pd.DataFrame) -> Section:
    """Show the agreement with the oracle by criterion and by layer, and that of the criteria with each other.

    fidelity: as `fidelity_table`; matrix: as `score_matrix_table`.
    """
    if not len(fidelity):
        return Section(TITLE, (), NOT_MEASURED)
    tasks, notes = results.fidelity_tasks, results.fidelity_notes
    blocks: list[Part] = [Text(text) for text in HOW]
    blocks += [Items(notes)] if notes else []
    for name, part in fidelity.groupby("task", sort=False):
        found = [one for one in results.fidelity if tasks[one.key] == name]
        table = agreement_table(str(name), part)
        explained = [one for one in (Text(_notes(part)), *bound_note(table)) if one not in blocks]
        blocks += [Items(tuple(fidelity_sentences(part, found, results))), table, *explained]
        blocks += [*_matrix_blocks(str(name), matrix[matrix["task"] == name]), _layer_table(str(name), part)]
    return Section(TITLE, tuple(blocks), name="fidelity")


def agreement_table(task: str, part: pd.DataFrame) -> Table:
    """Tabulate one row per criterion, those of the oracle last."""
    rows = []
    cells = {(row["criterion"], row["truth"], row["layer"]): row for row in part.to_dict("records")}
    for criterion in dict.fromkeys(part["criterion"]):
        within, size = (cells[criterion, truth, WITHIN] for truth in ("signed", "absolute"))
        whole = cells[criterion, "signed", OVER_ALL]
        mark = "*" if whole["scale"] == "arbitrary" else ""
        name = ORACLE_WORDS.get(criterion, criterion)
        row = [name, str(within["n"]), _agreement_cell(within, "spearman"), _agreement_cell(size, "spearman")]
        row += [_agreement_cell(within, name) for name in MEASURES[1:]]
        row += [marked(_agreement_cell(whole, measure), mark) for measure in ("spearman", "lowest")]
        rows.append((*row, _duration_cell(within["seconds"])))
    caption = say(
        "{task}: agreement of scores with the true change of the loss, within layers (mean over them) and over all "
        "layers, mean ± half of the 95 % t interval over n seeds; to the size: Spearman with the absolute change.",
        task=task,
    )
    return Table(caption, HEADER, tuple(rows), folded=True)


def _agreement_cell(row: dict[Any, Any], measure: str) -> str:
    if is_missing(row[measure]):
        return "-" if row["criterion"] == REACHABLE else say("constant scores")
    partly = "†" if row["constant"] and row["criterion"] not in ORACLE else ""
    least = 0.0 if measure == "lowest" else -1.0
    return marked(correlation_with_half(row[measure], row[f"{measure}_half"], least), partly)


def _duration_cell(value: float | None) -> str:
    return "-" if value is None or is_missing(value) else duration(value)


def _notes(part: pd.DataFrame) -> str:
    units = int(part["units"].max())
    text = say_many(
        "Spearman, Kendall and weighted tau (Kendall's, where mistakes among those that go first count most): 1 is the "
        "same order, 0 is chance, -1 the reverse. Lowest quarter: the share of the truly lowest {quarter} of the units "
        "that is among the scores' lowest, 0 to 1 ({chance} by chance). All layers: {number} unit at once; * the "
        "scores do not claim to be comparable between layers. Time: of one scoring, and of the oracle for all criteria "
        "of a seed.",
        "Spearman, Kendall and weighted tau (Kendall's, where mistakes among those that go first count most): 1 is the "
        "same order, 0 is chance, -1 the reverse. Lowest quarter: the share of the truly lowest {quarter} of the units "
        "that is among the scores' lowest, 0 to 1 ({chance} by chance). All layers: {number} units at once; * the "
        "scores do not claim to be comparable between layers. Time: of one scoring, and of the oracle for all criteria "
        "of a seed.",
        units,
        quarter=percent(SHARE, 0),
        chance=format(SHARE, "g"),
    )
    within = part[(part["layer"] == WITHIN) & (part["truth"] == "signed") & ~part["criterion"].isin(ORACLE)]
    flat = [
        say(
            "`{criterion}` in {constant} of {layers}",
            criterion=r["criterion"],
            constant=r["constant"],
            layers=r["layers"],
        )
        for r in within[within["constant"] > 0].to_dict("records")
    ]
    if not flat:
        return text
    left_out = say(
        "† constant scores, which order nothing and are left out of the mean: {found} layers.", found=joined(flat)
    )
    return joined((text, left_out), SPACE)


def _matrix_blocks(task: str, pairs: pd.DataFrame) -> list[Part]:
    """Tabulate Spearman's rho of every pair of criteria."""
    if not len(pairs):
        return []
    names = list(dict.fromkeys([*pairs["criterion"], *pairs["other"]]))
    known = {frozenset((row["criterion"], row["other"])): row for row in pairs.to_dict("records")}
    rows = []
    for name in names:
        found = [known.get(frozenset((name, other))) for other in names]
        cells = ["1" if other == name else _matrix_cell(row) for other, row in zip(names, found, strict=True)]
        rows.append((name, *cells))
    caption = say(
        "{task}: agreement of the criteria with each other, Spearman within layers, mean over layers and seeds.",
        task=task,
    )
    return [Table(caption, ("", *names), tuple(rows), folded=True)]


def _matrix_cell(row: dict[Any, Any] | None) -> str:
    return MISSING if row is None or is_missing(row["spearman"]) else correlation_with_half(row["spearman"], None)


def _layer_table(task: str, part: pd.DataFrame) -> Table:
    """Tabulate Spearman's rho within every layer."""
    inside = part[(part["truth"] == "signed") & ~part["layer"].isin([WITHIN, OVER_ALL])]
    known = {(row["layer"], row["criterion"]): row for row in inside.to_dict("records")}
    criteria = list(dict.fromkeys(inside["criterion"]))
    rows = []
    for layer, units in inside.groupby("layer", sort=False)["units"].max().items():
        cells = [
            _agreement_cell(known[layer, name], "spearman") if (layer, name) in known else MISSING for name in criteria
        ]
        rows.append((str(layer), str(units), *cells))
    header = (say("layer"), say("units"), *(ORACLE_WORDS.get(name, name) for name in criteria))
    return Table(say("{task}: Spearman by layer", task=task), header, tuple(rows), folded=True)
