"""The figure of accuracy against the keep, one panel per task and ranking."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from prunebench.reports.figures.drawing import FAINT, HEIGHT, INK, WIDTH, figure_page, log_ticks
from prunebench.reports.figures.labels import spread_labels
from prunebench.reports.figures.palette import Style, line_styles
from prunebench.reports.ordering import DENSE_CONTINUED, METRIC_WORDS, cost_metric
from prunebench.reports.points import PANEL_COLUMNS

LABEL_GAP = 15.0  # pixels from label to label
SMALLEST_ERROR = 5e-4  # where a perfect accuracy is drawn on an axis that is logarithmic in the error
ERRORS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9)


def accuracy_figure(summary: pd.DataFrame) -> alt.TopLevelMixin | None:
    """Fine-tuned accuracy against the keep: one panel per task and ranking, one line per criterion.

    The keep is of the MACs, or of the metric that `cost_metric` names. The accuracy axis is logarithmic in the
    error, so that 97 and 98 % stay apart beside 20 %. Bands are the t intervals of the summary; controls are dashed.
    `dense_continued` keeps everything. Its points stand at the mean keep of the others with the same requested keep.
    None where there is nothing to draw.
    """
    frame = _drawn_values(summary)
    if frame.empty:
        return None
    styled = line_styles(frame["criterion"].unique().tolist())
    panels = []
    for task, of_task in frame.groupby("task", sort=False):
        limits = _limits(of_task)
        for (ranking, metric), part in of_task.groupby(["ranking", "metric"], sort=False):
            plain = metric == cost_metric(str(metric))
            title = f"{task}, {ranking} ranking" + ("" if plain else f", keeps of {METRIC_WORDS[metric]}")
            panels.append(_accuracy_panel(part, title, styled, limits))
    return figure_page(panels)


def _drawn_values(summary: pd.DataFrame) -> pd.DataFrame:
    """Give x, the achieved keep, and y, low, high and dense as errors, without missing values."""
    if "keep_macs" not in summary:
        return pd.DataFrame()
    frame = summary.assign(kept=[row[f"keep_{cost_metric(row['metric'])}"] for row in summary.to_dict("records")])
    frame = frame.dropna(subset=["accuracy_finetuned", "kept"])
    pruned = frame[frame["criterion"] != DENSE_CONTINUED]
    place = pruned.groupby([*PANEL_COLUMNS, "keep"])["kept"].mean().to_dict()
    keys = zip(frame["task"], frame["ranking"], frame["metric"], frame["keep"], strict=True)
    elsewhere = [place.get(key, own) for key, own in zip(keys, frame["kept"], strict=True)]
    error = 1 - frame["accuracy_finetuned"]
    half = frame["accuracy_finetuned_half"].astype(float).fillna(0)
    drawn = {"y": error, "low": error - half, "high": error + half, "dense": 1 - frame["accuracy_dense"]}
    return frame[[*PANEL_COLUMNS, "criterion"]].assign(
        x=frame["kept"].where(frame["criterion"] != DENSE_CONTINUED, elsewhere),
        **{name: values.clip(SMALLEST_ERROR, 1) for name, values in drawn.items()},
    )


def _limits(frame: pd.DataFrame) -> tuple[float, float]:
    """Smallest and largest error on the axis. All means fit; intervals are cut where they would squeeze the means."""
    least, most = float(frame[["y", "dense"]].min().min()), float(frame[["y", "dense"]].max().max())
    room = max(most / least, 1.2)
    low = min(least, max(float(frame["low"].min()), least / room**0.3))
    high = min(float(frame["high"].max()), most * room**0.3)
    return low / room**0.05, min(max(high, most) * room**0.05, 1.0)


def _accuracy_panel(
    part: pd.DataFrame, title: str, styled: Mapping[str, Style], limits: tuple[float, float]
) -> alt.LayerChart | alt.FacetChart:
    part = part.sort_values("x", ascending=False, kind="stable")
    edges = sorted({round(x, 3) for x in part["x"]})
    kept = [x for i, x in enumerate(edges) if i == 0 or x / edges[i - 1] > 1.15]  # labels must not touch
    cost = METRIC_WORDS[cost_metric(str(part["metric"].iloc[0]))]
    x_scale = alt.Scale(type="log", domain=[edges[0] / 1.06, max(edges[-1], edges[0] * 1.5) * 1.06], reverse=True)
    x = alt.X("x:Q", scale=x_scale, title=f"{cost} kept", axis=alt.Axis(values=kept, format=".3~p", grid=False))
    y_scale = _error_scale(limits)
    axis = alt.Axis(values=log_ticks(ERRORS, limits), labelExpr="format(1 - datum.value, '.4~p')")
    y = alt.Y("y:Q", scale=y_scale, title="accuracy after fine-tuning (log scale of the error)", axis=axis)
    base = alt.Chart(part).encode(color=_colour_encoding(styled), x=x)
    spans = base.mark_rule(clip=True) if len(edges) == 1 else base.mark_area(opacity=0.11, clip=True)
    return alt.layer(
        spans.encode(y=alt.Y("low:Q", scale=y_scale), y2="high:Q"),
        base.mark_line(strokeWidth=2).encode(y=y, strokeDash=_dash_encoding(styled)),
        base.mark_point(filled=True, size=42, opacity=1).encode(y=y),
        *_labels(part, x, y, _colour_encoding(styled), limits),
    ).properties(width=WIDTH, height=HEIGHT, title=title)


def _labels(part: pd.DataFrame, x: alt.X, y: alt.Y, colour: alt.Color, limits: tuple[float, float]) -> list[alt.Chart]:
    """Name every line at its end and mark the dense accuracy. Names that would touch are moved apart."""
    ends = part.drop_duplicates("criterion", keep="last")[["criterion", "x", "y"]]
    dense = float(part["dense"].mean())
    low, high = np.log(limits)
    pixel = (high - low) / HEIGHT
    places = np.exp(
        spread_labels(np.log([*ends["y"], dense]).tolist(), LABEL_GAP * pixel, (low + 6 * pixel, high - 6 * pixel))
    )
    ends = ends.assign(label=places[:-1])
    line = pd.DataFrame({"y": [dense], "label": [places[-1]], "text": ["dense"]})
    at_label = {"x": alt.value(WIDTH + 26), "y": alt.Y("label:Q", scale=_error_scale(limits))}
    leader = {"x2": alt.value(WIDTH + 22), "y": y, "y2": "label:Q"}
    text: dict[str, Any] = {"align": "left", "baseline": "middle", "fontSize": 11}
    return [
        alt.Chart(line).mark_rule(color=FAINT, strokeDash=[1, 2]).encode(y=y),
        alt.Chart(line).mark_rule(color=FAINT, strokeDash=[1, 2]).encode(x=alt.value(WIDTH), **leader),
        alt.Chart(line).mark_text(color=FAINT, fontStyle="italic", **text).encode(text="text:N", **at_label),
        alt.Chart(ends).mark_rule(strokeWidth=1).encode(x=x, color=colour, **leader),
        alt.Chart(ends).mark_text(color=INK, **text).encode(text="criterion:N", **at_label),
    ]


def _error_scale(limits: tuple[float, float]) -> alt.Scale:
    return alt.Scale(type="log", domain=list(limits), nice=False, reverse=True)


def _colour_encoding(styled: Mapping[str, Style]) -> alt.Color:
    scale = alt.Scale(domain=list(styled), range=[s.colour for s in styled.values()])
    return alt.Color("criterion:N", scale=scale, legend=None, sort=list(styled))


def _dash_encoding(styled: Mapping[str, Style]) -> alt.StrokeDash:
    scale = alt.Scale(domain=list(styled), range=[s.dash for s in styled.values()])
    return alt.StrokeDash("criterion:N", scale=scale, legend=None)
