"""Styles of lines: colours for methods that colour-blind readers can tell apart, greys and dashes for controls."""

from collections.abc import Sequence
from dataclasses import dataclass

from prunebench.reports.ordering import BASELINE, is_control, table_order

# Okabe and Ito (2008) without yellow, which vanishes on white, then two of Tol's; black is the baseline's.
HUES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#999933")
GREYS = ("#777777", "#444444", "#999999", "#5a5a5a")
DASHES = ([5, 3], [1.5, 2.5], [8, 3, 2, 3], [3, 2])


@dataclass(frozen=True)
class Style:
    """Colour and dash pattern of one line."""

    colour: str
    dash: list[float]


def line_styles(criteria: Sequence[str]) -> dict[str, Style]:
    """Give every criterion its style, in the order of the tables. From the ninth method on the hues return, dashed.

    >>> line_styles(["random", "magnitude"])["magnitude"].colour
    '#000000'
    """
    found: dict[str, Style] = {}
    methods = controls = 0
    for name in sorted(set(criteria), key=table_order):
        if name == BASELINE:
            found[name] = Style("#000000", [1, 0])
        elif is_control(name):
            found[name] = Style(GREYS[controls % len(GREYS)], list(DASHES[controls % len(DASHES)]))
            controls += 1
        else:
            turn = methods // len(HUES)
            found[name] = Style(HUES[methods % len(HUES)], list(DASHES[(turn - 1) % len(DASHES)]) if turn else [1, 0])
            methods += 1
    return found
