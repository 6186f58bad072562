"""One style per criterion for ever: a family shares a hue, its members differ in shape and lightness.

The hues are those of Okabe and Ito (2008) without yellow, and two more: colour-blind readers can tell them apart.
"""

from dataclasses import dataclass
from hashlib import sha256

from prunebench.records.names import parts
from prunebench.reports.figures.drawing import FAINT
from prunebench.reports.ordering import BASELINE, DENSE_CONTINUED, RANDOM, SCRATCH, SHUFFLE, is_control

# Symbols of Vega, or paths in a box from -1 to 1.
HEXAGON = "M1,0L0.5,0.87L-0.5,0.87L-1,0L-0.5,-0.87L0.5,-0.87Z"
STAR = "M0,-1.1L0.26,-0.36L1.05,-0.34L0.42,0.14L0.65,0.89L0,0.45L-0.65,0.89L-0.42,0.14L-1.05,-0.34L-0.26,-0.36Z"
PENTAGON = "M0,-1L0.95,-0.31L0.59,0.81L-0.59,0.81L-0.95,-0.31Z"
HOURGLASS = "M-0.8,-0.9L0.8,-0.9L-0.8,0.9L0.8,0.9Z"
BOWTIE = "M-0.9,-0.8L0.9,0.8L0.9,-0.8L-0.9,0.8Z"
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-right", "triangle-left")
OF_SUMS = (STAR, PENTAGON, HOURGLASS)  # of A+B
OF_OPTIONS = (HEXAGON, BOWTIE)  # of X:option=value

SHADES = {
    "weights": ("#0072B2", "#3F7FBF"),
    "gradients": ("#D55E00", "#E8803A"),
    "curvature": ("#009E73", "#33B891"),
    "activations": ("#56B4E9", "#3DA0D8"),
    "BatchNorm scale": ("#CC79A7", "#B0568B"),
    "sparse regularisation": ("#E69F00", "#B97F00"),
    "reconstruction": ("#7F5FC0", "#9D83D4"),
    "other": ("#999933", "#7D7D22"),
}
MEMBERS = {
    "weights": ("fpgm", "lamp", "tp_magnitude"),
    "gradients": (
        *("taylor", "taylor_activation", "gate_taylor", "snip"),
        *("taylor_sum", "taylor_activation_signed", "grasp", "lrp", "tp_taylor", "jacobian"),
    ),
    "curvature": ("obd", "kron_obd", "block_obd", "fisher", "group_fisher", "tp_hessian", "kron_obs", "c_obs"),
    "activations": ("apoz", "hrank", "mean_activation", "wanda", "chip"),
    "BatchNorm scale": ("bn_scale", "slimming"),
    "sparse regularisation": (
        *("l1", "l0", "hsqgl12", "group_lasso", "l2"),
        *("group_l12", "group_norm", "growing_reg", "admm", "exclusive_sparsity"),
    ),
    "reconstruction": ("thinet", "lasso", "flap", "ziplm"),
    "other": ("synflow", "oracle"),
}
FAMILIES = {name: family for family, members in MEMBERS.items() for name in members}
BLACK = "#000000"
SOLID: tuple[float, ...] = (1, 0)
OF_CONTROLS: dict[str, tuple[str, tuple[float, ...]]] = {
    RANDOM: ("circle", (5, 3)),
    DENSE_CONTINUED: ("square", (8, 3)),
    SHUFFLE: ("diamond", (1.5, 2.5)),
    SCRATCH: ("triangle-up", (3, 2)),
}


@dataclass(frozen=True)
class Style:
    """Colour, symbol and dash pattern of one criterion. shape: a name or a path that Vega knows."""

    colour: str
    shape: str
    dash: tuple[float, ...] = SOLID


def style_of(criterion: str) -> Style:
    """Give the style of a criterion, which depends on its name only.

    The baseline is black, controls are grey and dashed. `A+B` has the hue of B, and `X:option=value` that of X. The
    style of a name that is not built in follows from a hash.

    >>> style_of("magnitude").colour, style_of("taylor").colour, style_of("reg_obd").colour == style_of("obd").colour
    ('#000000', '#D55E00', True)
    """
    if criterion == BASELINE:
        return Style(BLACK, "circle")
    if is_control(criterion):
        return Style(FAINT, *OF_CONTROLS[criterion.partition(":")[0]])
    made_of = parts(criterion)
    if len(made_of) > 1:
        return Style(_own_style(made_of[-1]).colour, OF_SUMS[_stable_number(made_of[0], len(OF_SUMS))])
    name, _, options = made_of[0].partition(":")
    plain = _own_style(name)
    return Style(plain.colour, OF_OPTIONS[_stable_number(options, len(OF_OPTIONS))]) if options else plain


def _own_style(part: str) -> Style:
    """Give the style of one part without its options. Members alternate in lightness and go through the shapes."""
    name = part.partition(":")[0]
    if name == BASELINE:
        return Style(BLACK, "circle")
    family = FAMILIES.get(name)
    if family is None:
        family = tuple(SHADES)[_stable_number(name, len(SHADES))]
        number = _stable_number(name[::-1], len(SHAPES))
    else:
        number = MEMBERS[family].index(name)
    return Style(SHADES[family][(number + number // len(SHAPES)) % 2], SHAPES[number % len(SHAPES)])


def _stable_number(text: str, below: int) -> int:
    """Draw a number from 0 to `below` - 1 from a text, always the same."""
    return int.from_bytes(sha256(text.encode()).digest()[:4], "big") % below
