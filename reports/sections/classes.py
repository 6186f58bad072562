"""The section on what networks confuse: matrices, rates of classes, and areas under ROC curves."""

from collections.abc import Sequence

import pandas as pd

from prunebench.reports.document import Part, Section, Table, Text
from prunebench.reports.figures.marks import Panel, Row, in_table_order, split_panels
from prunebench.reports.formatting import MISSING, is_missing, mean_with_half, share
from prunebench.reports.language.message import SEMICOLON, joined, say, say_many
from prunebench.reports.ordering import DENSE, METRIC_WORDS, is_control
from prunebench.reports.sections.comparison import bound_note
from prunebench.reports.tables.classes import MOST_CLASSES

TITLE = say("Confusion matrices and classes")
NO_LABELS = (
    "The source does not say what the test pictures show. The same `prunebench run` again adds it to finished results, "
    "in the folder `data/`."
)
MEANING = say(
    "A number is a count of test pictures, mean over seeds, rounded. Rows are true classes, columns predicted ones. "
    "Blue cells are right, red cells are wrong. The stronger its colour, the larger is a cell's share of the row."
)
RATES = {
    "recall": say("Recall: share of the class's pictures that are recognised, in %"),
    "precision": say("Precision: share of right answers among those with this label, in %"),
}
MOST, ROWS, NAME = 6, 100, 16  # criteria beside the dense network; classes in a table; characters of a class's name
DRAWN = say(
    "Shown are the dense network and the smallest keep of at most {most} criteria, controls left out. `classes.csv` "
    "has all, and `confusion.csv` those with up to {classes} classes.",
    most=MOST,
    classes=MOST_CLASSES,
)
TINTS = (0.005, 0.05, 0.2, 0.5, 0.8)  # shares of a row from which a cell has the next darker tint


def classes_section(confusion: pd.DataFrame, classes: pd.DataFrame, auc: pd.DataFrame) -> Section:
    """Show matrices, rates and areas of each task. The tables are those that `class_tables` makes."""
    if not len(classes):
        return Section(TITLE, (), NO_LABELS)
    matrices, areas = split_panels(confusion), split_panels(auc)
    blocks: list[Part] = [Text(DRAWN)]
    blocks += [Text(MEANING)] * bool(len(confusion))
    for panel, rows in split_panels(classes).items():
        networks = _by_network(rows)
        cells = _by_network(matrices.get(panel, []))
        blocks += [_matrix(panel, name, cells[name], networks[name]) for name in networks if name in cells]
        blocks += _area_table(panel, _by_network(areas.get(panel, [])), networks)
        blocks += [_rate_table(panel, networks, rate) for rate in ("recall", "precision")]
    return Section(TITLE, tuple(blocks), name="confusion")


def _by_network(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Give the rows of the dense network, and of the first methods at the smallest keep of a panel."""
    smallest = min((row["keep"] for row in rows if row["criterion"] != DENSE), default=1.0)
    shown = [row for row in rows if row["criterion"] == DENSE or row["keep"] == smallest]
    names = [name for name in in_table_order(row["criterion"] for row in shown) if name != DENSE]
    names = [DENSE, *[name for name in names if not is_control(name)][:MOST]]
    found = {name: [row for row in shown if row["criterion"] == name] for name in names}
    return {name: some for name, some in found.items() if some}


def panel_name(panel: Panel, rows: Sequence[Row]) -> str:
    """Name task, ranking and the keep of the pruned networks among some rows."""
    keeps = [share(row["keep"]) for row in rows if row["criterion"] != DENSE][:1]
    kept = [say("{share} of {metric} kept", share=keep, metric=METRIC_WORDS[panel[2]]) for keep in keeps]
    return joined((panel[0], say("{ranking} ranking", ranking=panel[1]), *kept))


def _matrix(panel: Panel, name: str, cells: Sequence[Row], classes: Sequence[Row]) -> Table:
    counts = {(cell["true"], cell["predicted"]): float(cell["pictures"]) for cell in cells}
    names = [str(row["class"]) for row in classes]
    rows, styles = [], []
    for row in classes:
        own = [counts.get((row["class"], other), 0.0) for other in names]
        rows.append((shortened(str(row["class"])), *(f"{count:,.0f}" for count in own)))
        tints = [sum(count >= limit * max(row["pictures"], 1) for limit in TINTS) * (count > 0) for count in own]
        kinds = ["hit" if other == row["class"] else "miss" for other in names]
        styles.append(("", *(f"{kind} t{tint}" for kind, tint in zip(kinds, tints, strict=True))))
    header = (say("true"), *map(shortened, names))
    seeds = say_many("{number} seed", "{number} seeds", cells[0]["n"])
    caption = joined((joined((name, seeds)), panel_name(panel, cells)), SEMICOLON)
    return Table(caption, header, tuple(rows), task=panel[0], styles=tuple(styles))


def shortened(name: str) -> str:
    """Shorten the name of a class.

    >>> shortened("Normal"), shortened("a very long name of a class")
    ('Normal', 'a very long nam…')
    """
    return name if len(name) <= NAME else name[: NAME - 1] + "…"


def _area_table(panel: Panel, areas: dict[str, list[Row]], networks: dict[str, list[Row]]) -> list[Table | Text]:
    """Tabulate the areas under the ROC curves of two classes, with the rates of both."""
    if not areas:
        return []
    first, second = (row["class"] for row in next(iter(networks.values())))
    rows = tuple(
        (
            name,
            f"{own[0]['n']}",
            _rate(own[0], "auc"),
            *(_rate(one, "recall") for one in networks[name][::-1]),
        )
        for name, own in areas.items()
        if name in networks
    )
    recalls = (say("recall of {class_name}", class_name=shortened(name)) for name in (second, first))
    header = (say("network"), "n", "AUC", *recalls)
    caption = say(
        "{panel}: area under the ROC curve (AUC) of the class {class_name}, in %, mean ± half of the 95 % t interval",
        panel=panel_name(panel, _all(areas)),
        class_name=second,
    )
    table = Table(caption, header, rows, task=panel[0])
    return [table, *bound_note(table)]


def _rate_table(panel: Panel, networks: dict[str, list[Row]], rate: str) -> Table:
    """Tabulate a rate of every class, networks side by side."""
    first = next(iter(networks.values()))
    more = [say("the first {rows} of {classes} classes", rows=ROWS, classes=len(first))] if len(first) > ROWS else []
    rows = tuple(
        (
            shortened(str(row["class"])),
            f"{row['pictures']:,}",
            *(_rate(own[i], rate, half=False) for own in networks.values()),
        )
        for i, row in enumerate(first[:ROWS])
    )
    header = (say("class"), say("pictures"), *networks)
    caption = joined((RATES[rate], panel_name(panel, _all(networks)), *more), SEMICOLON)
    return Table(caption, header, rows, task=panel[0], folded=True)


def _all(networks: dict[str, list[Row]]) -> list[Row]:
    return [row for rows in networks.values() for row in rows]


def _rate(row: Row, name: str, half: bool = True) -> str:
    """Write a rate in percent, with its interval."""
    if is_missing(row[name]):
        return MISSING
    if not half:
        return f"{100 * row[name]:.1f}"
    width = row[f"{name}_half"]
    return mean_with_half(100 * row[name], None if is_missing(width) else 100 * width, (0.0, 100.0))
