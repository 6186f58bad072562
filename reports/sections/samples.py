"""The section of sample pictures with the labels that networks predicted."""

from collections.abc import Mapping, Sequence

import pandas as pd

from prunebench.records.files import DataFile
from prunebench.reports.document import Section, Table, Text
from prunebench.reports.figures.marks import Panel, Row, in_table_order, split_panels
from prunebench.reports.language.message import SEMICOLON, joined, say
from prunebench.reports.ordering import DENSE
from prunebench.reports.sections.classes import panel_name, shortened

TITLE = say("Sample pictures")
NOT_STORED = "No run here stored pictures; `--thumbnails 10` stores ten of each dataset."
MOST = 8  # criteria beside the dense network
MEANING = say(
    "Each column has a test picture and its true class on top, and below it the label that each network gave. ✓ and "
    "blue: right; ✗ and red: wrong. The pictures were drawn once for the dataset, spread over its classes, whatever "
    "networks say of them. Shown are the first seed and the smallest keep of at most {most} criteria; `samples.csv` "
    "has all keeps.",
    most=MOST,
)


def samples_section(samples: pd.DataFrame, data: Mapping[str, DataFile]) -> Section:
    """Show the stored pictures of each task with predicted labels. samples: as `samples_table`."""
    if not len(samples):
        return Section(TITLE, (), NOT_STORED)
    tables = (_table(panel, rows, data) for panel, rows in split_panels(samples).items())
    return Section(TITLE, (Text(MEANING), *tables), name="samples")


def _table(panel: Panel, rows: Sequence[Row], data: Mapping[str, DataFile]) -> Table:
    smallest = min((row["keep"] for row in rows if row["criterion"] != DENSE), default=1.0)
    shown = [row for row in rows if row["criterion"] == DENSE or row["keep"] == smallest]
    names = [name for name in in_table_order(row["criterion"] for row in shown) if name != DENSE][:MOST]
    networks = [own for name in (DENSE, *names) if (own := [row for row in shown if row["criterion"] == name])]
    first = networks[0]
    pngs = {one.picture: one.png for one in data[first[0]["fingerprint"]].thumbnails}
    cells = tuple(
        (own[0]["criterion"], *(f"{'✓' if row['right'] else '✗'} {shortened(row['predicted'])}" for row in own))
        for own in networks
    )
    styles = tuple(("", *("right" if row["right"] else "wrong" for row in own)) for own in networks)
    pictures = ("", *(f"data:image/png;base64,{pngs[row['picture']]}" for row in first))
    header = (say("network"), *(shortened(row["true"]) for row in first))
    caption = joined((panel_name(panel, shown), say("seed {seed}", seed=first[0]["seed"])), SEMICOLON)
    return Table(caption, header, cells, task=panel[0], styles=styles, pictures=pictures)
