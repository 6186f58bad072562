"""The grammar of criterion expressions and of seeds.

An expression is `name[:key=value,...]`, `A+B` in the order of execution (`hsqgl12+obd` regularises, then prunes by OBD;
`obd+hsqgl12` prunes by OBD, then regularises while fine-tuning), an alias, or a control: `dense_continued`, `shuffle:X`
(the widths of X, random units) and `scratch:X` (the widths of X, fresh weights).
"""

import re
from dataclasses import dataclass, field, replace
from typing import Literal, cast

from prunebench.errors import UserError, unknown
from prunebench.plugins.criterion import AnyCriterion
from prunebench.plugins.options import label, split_name
from prunebench.plugins.registry import Registry, get_criterion
from prunebench.plugins.regulariser import Regulariser
from prunebench.records.names import ALIASES, CONTROLS, PLUS, parts

Kind = Literal["criterion", "dense_continued", "shuffle", "scratch"]
TUNED = "tuned"  # as a strength


@dataclass(frozen=True)
class Method:
    """What a criterion expression means. Two with the same name are equal.

    Args:
        name: the expression, normalised: as one would type it.
        kind: a criterion or a control.
        score: ranks the units; None for a control.
        before: the regulariser of sparse training. after: that of fine-tuning.
        of: the X of `shuffle:X` and `scratch:X`.
        strength: what `strength=tuned` stands for, once that is known.
    """

    name: str
    kind: Kind = "criterion"
    score: AnyCriterion | None = field(default=None, compare=False)
    before: Regulariser | None = field(default=None, compare=False)
    after: Regulariser | None = field(default=None, compare=False)
    of: "Method | None" = field(default=None, compare=False)
    strength: float | None = field(default=None, compare=False)

    @property
    def tuned(self) -> bool:
        """Tell whether the strength of the regulariser is that of a tuning."""
        return any(split_name(part)[1].get("strength") == TUNED for part in parts(self.name) if self.of is None)


def parse_method(text: str, registry: Registry) -> Method:
    """Read a criterion expression; `UserError` says what is wrong with it."""
    text = text.strip()
    head, colon, rest = text.partition(":")
    if head in CONTROLS:
        return _control(cast(Kind, head), rest, registry)
    pair = [part.strip() for part in PLUS.split(text)]
    if head in ALIASES and len(pair) == 1:
        if colon:
            raise UserError(f"'{head}' stands for {ALIASES[head]} and takes no options; write them there")
        return replace(parse_method(ALIASES[head], registry), name=head)
    if len(pair) == 1:
        record, name = _criterion(text, registry)
        return Method(name, score=record, before=record.regulariser)
    if len(pair) > 2 or not all(pair):
        raise UserError(f"'{text}': write A+B with exactly two parts, such as hsqgl12+obd")
    return _pair(text, pair[0], pair[1], registry)


def _pair(text: str, one: str, two: str, registry: Registry) -> Method:
    """Read `A+B`: the part with the regulariser gives that, the other the score."""
    for part in (one, two):
        name = part.partition(":")[0]
        if name in ALIASES or name in CONTROLS:
            raise UserError(f"'{text}': '{name}' cannot be a part of A+B; write criteria only, such as hsqgl12+obd")
    (first, first_name), (second, second_name) = _criterion(one, registry), _criterion(two, registry)
    if (first.regulariser is None) == (second.regulariser is None):
        which = "neither part has a regulariser" if first.regulariser is None else "both parts have a regulariser"
        has = ", ".join(name for name, entry in registry.criteria.items() if entry.plugin.regulariser is not None)
        raise UserError(f"'{text}': {which}, A+B needs exactly one; criteria with one: {has or 'none'}")
    score, used, typed = (first, second, two) if first.regulariser is None else (second, first, one)
    idle = set(split_name(typed)[1]) & used.own_options.keys()
    if idle:
        raise UserError(f"'{text}': {min(idle)} is an option of the score of '{used.name}', which is not used here")
    before, after = first.regulariser, second.regulariser
    return Method(f"{first_name}+{second_name}", score=score, before=before, after=after)


def _control(kind: Kind, rest: str, registry: Registry) -> Method:
    if kind == "dense_continued":
        if rest:
            raise UserError(f"'{kind}' takes nothing behind the colon, not '{rest}'")
        return Method(kind, kind=kind)
    if not rest:
        raise UserError(f"'{kind}' needs a criterion whose widths it takes: write {kind}:X, such as {kind}:magnitude")
    of = parse_method(rest, registry)
    if of.kind != "criterion":
        raise UserError(f"'{kind}:{rest}': the widths must be those of a criterion, not of the control '{of.kind}'")
    return Method(f"{kind}:{of.name}", kind=kind, of=of)


def _criterion(text: str, registry: Registry) -> tuple[AnyCriterion, str]:
    """Find a criterion; gives it with its name as one would type it. A tuned strength is the default for now."""
    name, options, argument = split_name(text)
    if name not in registry.criteria:
        raise unknown("criterion", name, [*registry.criteria, *ALIASES, *CONTROLS])
    if options.get("strength") != TUNED:
        record = get_criterion(text, registry)
        return record, record.label
    record = get_criterion(label(name, {k: v for k, v in options.items() if k != "strength"}, argument), registry)
    if record.regulariser is None:
        raise UserError(f"'{text}': '{name}' has no regulariser whose strength could be tuned")
    return record, label(record.name, {**record.options, "strength": TUNED})


def with_strength(expression: str, registry: Registry, strength: str) -> str:
    """Write `A` or `A+B` with another strength of its regulariser; an alias is written out."""
    written = []
    for part in parts(expression):
        name, options, argument = split_name(part)
        regulariser = registry.criteria[name].plugin.regulariser
        written.append(label(name, options | ({"strength": strength} if regulariser is not None else {}), argument))
    return "+".join(written)


def parse_seeds(text: str) -> tuple[int, ...]:
    """Read seeds: one, a list, ranges with both ends.

    >>> parse_seeds("0-4"), parse_seeds("0,3,7"), parse_seeds("5")
    ((0, 1, 2, 3, 4), (0, 3, 7), (5,))
    """
    seeds: list[int] = []
    for item in text.split(","):
        found = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", item, re.ASCII)
        if found is None:
            raise UserError(f"seeds '{text}': '{item}' is not a whole number from 0 or a range; write 0-4 or 0,3,7")
        low, high = int(found[1]), int(found[2] or found[1])
        if high < low:
            raise UserError(f"seeds '{text}': the range {low}-{high} is empty; write {high}-{low}")
        seeds += range(low, high + 1)
    if len(set(seeds)) < len(seeds):
        raise UserError(f"seeds '{text}': a seed is given twice; each may be there once")
    return tuple(seeds)
