"""Numbers as a reader sees them: accuracies in percent, differences in signed points, costs with thousands."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from prunebench.reports.language.message import Message, say, say_many
from prunebench.reports.statistics.intervals import Interval

MISSING = say("n/a")  # never an empty field
BEYOND_BOUND = "§"
BEYOND_BOUND_NOTE = say(
    "{mark} the t interval reaches beyond what the number can be (an accuracy: 0 or 100 %), as it does near a bound or "
    "with few seeds: read the bound there. Half of it is 12.7 standard errors with two seeds, 4.3 with three, 2.3 with "
    "ten.",
    mark=BEYOND_BOUND,
)


def is_missing(value: Any) -> bool:
    """Tell whether a number of a table is None or NaN."""
    return value is None or bool(pd.isna(value))


def or_missing(value: Any, style: str) -> str:
    """Write a number in a format style, or `n/a` for a missing one.

    >>> or_missing(0.25, ".1f"), or_missing(None, ".1f")
    ('0.2', 'n/a')
    """
    return MISSING if is_missing(value) else f"{value:{style}}"


def percent(fraction: float, digits: int = 2) -> str:
    """Write a fraction in percent.

    >>> percent(0.98765)
    '98.77 %'
    """
    return f"{100 * fraction:.{digits}f} %"


def share(fraction: float, digits: int = 4) -> str:
    """Write a requested share in percent.

    >>> share(0.5), share(0.3125), share(13 / 33), share(0.98765, digits=6)
    ('50 %', '31.25 %', '39.39 %', '98.765 %')
    """
    return f"{100 * fraction:.{digits}g} %"


def accuracy_with_half(mean: float, half: float | None) -> str:
    """Write a mean accuracy in percent with half its interval; see `mean_with_half`.

    >>> accuracy_with_half(0.9876, 0.0123), accuracy_with_half(0.9876, 0.0126)
    ('98.76 ± 1.23', '98.76 ± 1.26 §')
    >>> accuracy_with_half(0.9876, None), accuracy_with_half(0.9, 0.0)
    ('98.76', '90.00 (all equal)')
    """
    return mean_with_half(100 * mean, None if half is None else 100 * half, (0.0, 100.0))


def correlation_with_half(mean: float, half: float | None, least: float = -1.0) -> str:
    """Write a correlation or a share (least: 0) with half its interval; see `mean_with_half`.

    >>> correlation_with_half(0.714, 0.05), correlation_with_half(-0.0012, None)
    ('0.71 ± 0.05', '0.00')
    >>> correlation_with_half(0.25, 0.3), correlation_with_half(0.25, 0.3, least=0.0)
    ('0.25 ± 0.30', '0.25 ± 0.30 §')
    """
    return mean_with_half(mean, half, (least, 1.0))


def mean_with_half(mean: float, half: float | None, bounds: tuple[float, float]) -> str:
    """Write a mean with half its t interval, where there is one. Zero has no sign.

    Values without spread have no meaningful interval: 'all equal'. An interval that reaches beyond the bounds of the
    number is marked: on that side the bound alone is known.
    """
    text = f"{mean:.2f}"
    text = "0.00" if text == "-0.00" else text
    if is_missing(half):
        return text
    if half == 0:
        return say("{mean} (all equal)", mean=text)
    assert half is not None
    beyond = mean - half < bounds[0] or mean + half > bounds[1]
    return f"{text} ± {half:.2f}" + (f" {BEYOND_BOUND}" if beyond else "")


def signed_interval(interval: Interval) -> str:
    """Write a difference of accuracies in signed points with its interval, or say why there is none.

    >>> signed_interval(Interval(3, 0.012, -0.001, 0.025)), signed_interval(Interval(1, -0.012))
    ('+1.20 [-0.10, +2.50]', '-1.20 (n = 1)')
    >>> signed_interval(Interval(3, 0.0, 0.0, 0.0))
    '0.00 (all 3 equal)'
    """
    if interval.low is None or interval.high is None:
        return f"{signed_points(interval.mean)} (n = {interval.n})"
    if interval.low == interval.high:
        return say("{mean} (all {number} equal)", mean=signed_points(interval.mean), number=interval.n)
    return f"{signed_points(interval.mean)} {interval_ends(interval.low, interval.high)}"


def interval_ends(low: float, high: float) -> str:
    """Write the ends of an interval of differences in signed points.

    >>> interval_ends(-0.001, 0.025)
    '[-0.10, +2.50]'
    """
    return f"[{signed_points(low)}, {signed_points(high)}]"


def as_multiple(ratio: float, half: float | None = None) -> str:
    """Write a ratio, such as a speed-up.

    >>> as_multiple(2.5), as_multiple(2.5, 0.125)
    ('2.50x', '2.50 ± 0.12x')
    """
    return f"{ratio:.2f}x" if is_missing(half) else f"{ratio:.2f} ± {half:.2f}x"


def seed_ranges(values: Iterable[int]) -> str:
    """Write seeds as ranges.

    >>> seed_ranges([4, 0, 1, 2, 7])
    '0-2, 4, 7'
    """
    ranges: list[list[int]] = []
    for value in sorted(set(values)):
        if ranges and value == ranges[-1][1] + 1:
            ranges[-1][1] = value
        else:
            ranges.append([value, value])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in ranges)


def counted(number: int, thing: str) -> str:
    """Write a number of things with a regular plural.

    >>> counted(1, "seed"), counted(2_000, "seed")
    ('1 seed', '2,000 seeds')
    """
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def seed_counts(counts: Iterable[int]) -> Message:
    """Write the smallest and the largest of several numbers of seeds.

    >>> seed_counts([10, 3]), seed_counts([10, 10])
    ('3 to 10 seeds', '10 seeds')
    """
    few, many = min(found := list(counts)), max(found)
    if few < many:
        return say_many("{few} to {number} seed", "{few} to {number} seeds", many, few=format(few, ","))
    return say_many("{number} seed", "{number} seeds", many)


def duration(seconds: float) -> str:
    """Write seconds with two or three significant figures.

    >>> duration(0.00123), duration(0.1234), duration(75.0), duration(7300.0)
    ('1.2 ms', '0.12 s', '1 min 15 s', '2 h 2 min')
    """
    if seconds < 0.1:
        return f"{1e3 * seconds:.1f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    if seconds < 3600:
        return f"{int(seconds) // 60} min {int(seconds) % 60} s"
    return f"{minutes // 60} h {minutes % 60} min"


def milliseconds(number: float) -> str:
    """Write milliseconds as a plain number of about three figures.

    >>> milliseconds(1234.5), milliseconds(123.4), milliseconds(12.34), milliseconds(1.234), milliseconds(0.01234)
    ('1,234', '123', '12.3', '1.23', '0.0123')
    """
    digits = 0 if number >= 100 else 1 if number >= 10 else 2 if number >= 1 else 4
    return f"{number:,.{digits}f}"


def signed_points(fraction: float) -> str:
    """Write a difference of accuracies in signed points. Zero has no sign.

    >>> signed_points(0.0123), signed_points(-0.00001)
    ('+1.23', '0.00')
    """
    text = f"{100 * fraction:+.2f}"
    return "0.00" if float(text) == 0 else text
