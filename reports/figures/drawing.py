"""Layout and output that all figures share. vl-convert makes SVG and PNG without a browser or a network."""

import re
from collections.abc import Sequence
from io import BytesIO, StringIO
from typing import Any

import altair as alt
import numpy as np

WIDTH, HEIGHT = 380, 300
INK, FAINT = "#222222", "#8a8a8a"
FONT = "Helvetica, Arial, sans-serif"


def figure_page(panels: list[Any]) -> alt.TopLevelMixin:
    """Arrange panels in rows of two, on white."""
    text = {"labelFont": FONT, "titleFont": FONT, "labelColor": INK, "titleColor": INK, "labelFontSize": 11}
    figure: alt.ConcatChart = alt.concat(*panels, columns=2, spacing=36).resolve_scale(color="independent")
    whole: alt.TopLevelMixin = (
        figure.configure(background="white", font=FONT, padding=12)
        .configure_axis(**text, titleFontSize=12, titleFontWeight="normal", gridColor="#e6e6e6", domainColor="#999999")
        .configure_title(font=FONT, fontSize=13, color=INK, anchor="start", fontWeight=600, offset=10)
        .configure_legend(**text)
        .configure_view(stroke=None)
    )
    return whole


def svg_text(figure: alt.TopLevelMixin) -> str:
    """Draw a figure as SVG text. Ids are numbered from 0, as the renderer goes on counting from figure to figure."""
    file = StringIO()
    figure.save(file, format="svg")
    text = file.getvalue()
    for number, old in enumerate(dict.fromkeys(re.findall(r'id="([^"]+)"', text))):
        text = text.replace(f'id="{old}"', f'id="part{number}"').replace(f"url(#{old})", f"url(#part{number})")
    return text


def png_bytes(figure: alt.TopLevelMixin) -> bytes:
    """Draw a figure as PNG, two pixels a unit of length."""
    data = BytesIO()
    figure.save(data, format="png", scale_factor=2)
    return data.getvalue()


def log_ticks(candidates: Sequence[float], limits: tuple[float, float]) -> list[float]:
    """Choose candidates inside the limits of a log axis that do not touch; fewer than three become four even steps."""
    apart = (limits[1] / limits[0]) ** (1 / 14)
    inside: list[float] = []
    for value in candidates:
        if limits[0] <= value <= limits[1] and (not inside or value / inside[-1] >= apart):
            inside.append(value)
    return inside if len(inside) > 2 else [float(f"{v:.2g}") for v in np.geomspace(*limits, 6)[1:-1]]
