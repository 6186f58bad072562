"""Reasons of failures in the words of the page: records hold them in English, with the numbers and names filled in."""

import re
from string import Formatter

from prunebench.reports.language.message import Message, say

REASONS = (  # as the harness writes them; what it quotes from other code stays as it is
    say(
        "training diverged in stage '{stage}', epoch {epoch}: the loss is {loss}; lower the rate",
        stage="",
        epoch="",
        loss="",
    ),
    say(
        "the network's loss on the test pictures is {loss}: training diverged, or was too short for BatchNorm's "
        "running statistics",
        loss="",
    ),
    say("the network's outputs on the calibration pictures are not finite"),
    say("group '{group}' has scores that are not finite", group=""),
    say(
        "group '{group}' has negative scores; ranking {ranking} divides scores by costs and needs scores of at least "
        "zero",
        group="",
        ranking="",
    ),
    say("keep {keep} cannot be reached: floors leave at least {least}; give a larger keep", keep="", least=""),
    say("keep {keep} cannot be reached: what is no block leaves at least {least}; give more", keep="", least=""),
    say("gates are not supported before '{layer}', which divides by the size of its input", layer=""),
    say(
        "gates are not supported before BatchNorm '{layer}', which does not directly follow their layer",
        layer="",
    ),
    say("{who} gives a term of {value}; the term must be finite", who="", value=""),
    say("{step}: took longer than {seconds} s (--cell-timeout){place}", step="", seconds="", place=""),
    say("{rung} of the ladder: {reason}", rung="", reason=""),
)


def reason_text(reason: str) -> str:
    """Give a reason as a message where PruneBench composed it, else as it is. In English both are the same text.

    >>> message = reason_text("rung 2 of the ladder: group 'fc1' has scores that are not finite")
    >>> message.values["rung"], message.values["reason"].values
    ('rung 2', {'group': 'fc1'})
    """
    for known in REASONS:
        if found := _pattern(known).fullmatch(reason):
            values = {name: reason_text(text) if name == "reason" else text for name, text in found.groupdict().items()}
            return say(known.singular, **values)
    return reason


def _pattern(known: Message) -> re.Pattern[str]:
    """Turn a template into a pattern whose groups are its values."""
    parts = Formatter().parse(known.singular)
    return re.compile("".join(re.escape(text) + (f"(?P<{name}>.*?)" if name else "") for text, name, _, _ in parts))
