"""The grammar of criterion expressions and of seeds.

A criterion expression is one of:

- a criterion: `name[:key=value,...]`;
- `A+B`, in the order of execution: `hsqgl12+obd` regularises, then prunes by OBD; `obd+hsqgl12` prunes by OBD, then
  regularises while fine-tuning;
- an alias, such as `reg_obd`, or the control `dense_continued`;
- the control `shuffle:X` (the widths of X, random units) or `scratch:X` (the widths of X, fresh weights).
"""

from dataclasses import dataclass, field, replace
from typing import Literal, cast

from prunebench.errors import UserError
from prunebench.plugins.criterion import AnyCriterion
from prunebench.plugins.options import label, split_name
from prunebench.plugins.registry import Registry, get_criterion
from prunebench.plugins.regulariser import Regulariser
from prunebench.records.names import ALIASES, CONTROLS, PLUS, parts

Kind = Literal["criterion", "dense_continued", "shuffle", "scratch"]
TUNED = "tuned"  # `strength=tuned`


@dataclass(frozen=True)
class Method:
    """The meaning of a criterion expression. Methods of the same name are equal.

    Args:
        name: the normalised expression, as a user types it.
        kind: a criterion, or which control.
        score: the criterion whose scores rank the units; None for a control.
        before: the regulariser of sparse training.
        after: the regulariser of fine-tuning.
        of: the method X of `shuffle:X` and `scratch:X`.
        strength: the number that `strength=tuned` stands for; None until it is known.
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
        """Tell whether the strength of the regulariser comes from a tuning."""
        return any(split_name(part)[1].get("strength") == TUNED for part in parts(self.name) if self.of is None)


def parse_method(text: str, registry: Registry) -> Method:
    """Read a criterion expression. Raises `UserError` for an expression that is not valid."""
    text = text.strip()
    head, colon, rest = text.partition(":")
    if head in CONTROLS:
        return _control(cast(Kind, head), rest, registry)
    pair = [part.strip() for part in PLUS.split(text)]
    if head in ALIASES and len(pair) == 1:
        if colon:
            meaning = ALIASES[head]
            raise UserError(f"'{head}' stands for {meaning} and takes no options; write {meaning} with the options")
        return replace(parse_method(ALIASES[head], registry), name=head)
    if len(pair) == 1:
        criterion, name = _criterion(text, registry)
        return Method(name, score=criterion, before=criterion.regulariser)
    if len(pair) > 2 or not all(pair):
        raise UserError(f"'{text}': write A+B with exactly two parts, such as hsqgl12+obd")
    return _pair(text, pair[0], pair[1], registry)


def _pair(text: str, one: str, two: str, registry: Registry) -> Method:
    """Read `A+B`: one part gives the regulariser, the other part gives the score."""
    for part in (one, two):
        name = part.partition(":")[0]
        if name in ALIASES or name in CONTROLS:
            raise UserError(f"'{text}': '{name}' cannot be a part of A+B; write criteria only, such as hsqgl12+obd")
    (first, first_name), (second, second_name) = _criterion(one, registry), _criterion(two, registry)
    if (first.regulariser is None) == (second.regulariser is None):
        which = "neither part has a regulariser" if first.regulariser is None else "both parts have a regulariser"
        has = ", ".join(name for name, entry in registry.criteria.items() if entry.plugin.regulariser is not None)
        what = "A+B needs one part with a regulariser and one without"
        raise UserError(f"'{text}': {which}; {what}; criteria with a regulariser: {has or 'none'}")
    score, regularised, typed = (first, second, two) if first.regulariser is None else (second, first, one)
    unused = set(split_name(typed)[1]) & regularised.own_options.keys()
    if unused:
        what = f"{min(unused)} is an option of the score of '{regularised.name}'"
        raise UserError(f"'{text}': {what}, but only its regulariser is used here; leave the option out")
    before, after = first.regulariser, second.regulariser
    return Method(f"{first_name}+{second_name}", score=score, before=before, after=after)


def _control(kind: Kind, rest: str, registry: Registry) -> Method:
    if kind == "dense_continued":
        if rest:
            raise UserError(f"'{kind}:{rest}': {kind} takes no argument; write {kind}")
        return Method(kind, kind=kind)
    if not rest:
        raise UserError(f"'{kind}' copies the widths of a criterion; write {kind}:X, such as {kind}:magnitude")
    of = parse_method(rest, registry)
    if of.kind != "criterion":
        what = f"'{of.kind}' is a control; name a criterion whose widths are copied, such as {kind}:magnitude"
        raise UserError(f"'{kind}:{rest}': {what}")
    return Method(f"{kind}:{of.name}", kind=kind, of=of)


def _criterion(text: str, registry: Registry) -> tuple[AnyCriterion, str]:
    """Return a criterion and its name as a user types it. `strength=tuned` leaves the default strength for now."""
    name, options, argument = split_name(text)
    if name not in registry.criteria:
        raise registry.unknown("criterion", name, [*ALIASES, *CONTROLS])
    if options.get("strength") != TUNED:
        criterion = get_criterion(text, registry)
        return criterion, criterion.label
    criterion = get_criterion(label(name, {k: v for k, v in options.items() if k != "strength"}, argument), registry)
    if criterion.regulariser is None:
        raise UserError(f"'{text}': '{name}' has no regulariser whose strength could be tuned; remove strength={TUNED}")
    return criterion, label(criterion.name, {**criterion.options, "strength": TUNED})


def with_strength(expression: str, registry: Registry, strength: str) -> str:
    """Return the expression `A` or `A+B` with another strength of its regulariser. An alias is written out."""
    written = []
    for part in parts(expression):
        name, options, argument = split_name(part)
        regulariser = registry.criteria[name].plugin.regulariser
        written.append(label(name, options | ({"strength": strength} if regulariser is not None else {}), argument))
    return "+".join(written)
