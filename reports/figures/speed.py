"""The figure of measured beside theoretical speed-up, one panel per task and ranking."""

import altair as alt
import pandas as pd

from prunebench.reports.figures.drawing import WIDTH, figure_page, log_ticks
from prunebench.reports.ordering import METRIC_WORDS
from prunebench.reports.points import PANEL_COLUMNS

HUES = ("#56B4E9", "#0072B2", "#D55E00", "#222222", "#009E73", "#CC79A7")
RATIOS = (0.25, 0.5, 0.7, 1, 1.2, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64)
SMALLEST = 0.05  # lower end of an interval that reaches zero, which a logarithmic axis lacks


def speed_figure(summary: pd.DataFrame) -> alt.TopLevelMixin | None:
    """Measured beside theoretical speed-up: one panel per task and ranking, one row per criterion.

    The interval is over seeds; one seed has the measurement's own interval. Dots of noisy measurements are hollow. None
    where nothing was timed.
    """
    if "measured" not in summary:
        return None
    frame = summary.dropna(subset=["measured"])
    half = frame["measured_half"].astype(float)
    frame = frame.assign(
        low=(frame["measured"] - half).clip(lower=SMALLEST).fillna(frame["own_low"]),
        high=(frame["measured"] + half).fillna(frame["own_high"]),
    )
    groups = frame.groupby(PANEL_COLUMNS, sort=False)
    panels = []
    for (task, ranking, metric), part in groups:
        title = f"{task}, {ranking} ranking" + ("" if metric == "macs" else f", keeps of {METRIC_WORDS[metric]}")
        panels.append(_speed_panel(part, title))
    return figure_page(panels) if panels else None


def _speed_panel(part: pd.DataFrame, title: str) -> alt.LayerChart | alt.FacetChart:
    low = max(min(float(part["theoretical"].min()), float(part["low"].min()), 1.0) * 0.95, SMALLEST)
    high = max(float(part["theoretical"].max()), float(part["high"].max())) * 1.07
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    axis = alt.Axis(values=log_ticks(RATIOS, (low, high)), labelExpr="format(datum.value, '.2~f') + 'x'")
    x = alt.X("measured:Q", scale=scale, title="speed-up (tick: theoretical, dot: measured)", axis=axis)
    rows = list(dict.fromkeys(part["criterion"]))
    keeps = [f"{keep:g}" for keep in sorted(part["keep"].unique(), reverse=True)]
    hues = [HUES[number % len(HUES)] for number in range(len(keeps))]
    legend = alt.Legend(title="keep", symbolType="circle", symbolStrokeWidth=0, symbolSize=80, symbolOpacity=1)
    colour = alt.Color("label:N", scale=alt.Scale(domain=keeps, range=hues), sort=keeps, legend=legend)
    columns = ["criterion", "theoretical", "measured", "low", "high", "noisy"]
    drawn = part[columns].assign(label=[f"{keep:g}" for keep in part["keep"]])
    y = alt.Y("criterion:N", sort=rows, title=None, axis=alt.Axis(grid=True, ticks=False, domain=False))
    base = alt.Chart(drawn).encode(y=y, color=colour)
    theoretical = alt.X("theoretical:Q", scale=scale)
    return alt.layer(
        base.mark_rule(opacity=0.45, strokeDash=[2, 2]).encode(x=theoretical, x2="measured:Q"),
        base.mark_tick(thickness=2, size=13).encode(x=theoretical),
        base.mark_rule(strokeWidth=2, clip=True).encode(x=alt.X("low:Q", scale=scale), x2="high:Q"),
        base.mark_point(filled=True, size=55, opacity=1).transform_filter("!datum.noisy").encode(x=x),
        base.mark_point(filled=False, size=55, opacity=1, fill="white", strokeWidth=2)
        .transform_filter("datum.noisy")
        .encode(x=x),
    ).properties(width=WIDTH, height=alt.Step(22), title=title)
