"""The eleven weight penalties of the Reg+OBD paper, each alone, on convolutions, at the strength of its runs.

W_ijk: output channel i, input channel j, position k. All are feature-wise: their groups are input channels j. The paper
favours HSQGL12. Its code multiplies by 1e-5 and 0.5 (1e-8 and 0.5 for COVID-19); Mitsuno et al. (IJCNN 2020) mix
HSQGL12 with L1, which is `hsqgl12` of PruneBench. A tiny number inside each root keeps its gradient finite at zero.

| name | sum over layers of |
|---|---|
| `l1_2021` | sum |W_ijk| |
| `l2_2021` | sqrt(sum W_ijk^2), once for the whole layer |
| `gl_2021` | group lasso: sum_j sqrt(sum_ik W_ijk^2) |
| `hsrgl_2021` | square-rooted: sum_j sqrt(sum_i sqrt(sum_k W_ijk^2)) |
| `hsqgl_2021` | squared: sum_j (sum_i sqrt(sum_k W_ijk^2))^2 |
| `es_2021` | exclusive sparsity: sum_j (sum_ik |W_ijk|)^2 |
| `hsres_2021` | square-rooted: sum_j sqrt(sum_i (sum_k |W_ijk|)^2) |
| `hsqes_2021` | squared: sum_j (sum_i (sum_k |W_ijk|)^2)^2 |
| `gl12_2021` | group L1/2: sum_j sqrt(sum_ik |W_ijk|) |
| `hsrgl12_2021` | square-rooted: sum_j sqrt(sum_i sqrt(sum_k |W_ijk|)) |
| `hsqgl12_2021` | squared: sum_j (sum_i sqrt(sum_k |W_ijk|))^2 |
"""

from collections.abc import Callable

from torch import Tensor

from prunebench import Criterion, Penalty
from prunebench.criteria.exclusive_sparsity import exclusive_sparsity
from prunebench.criteria.group_l12 import group_l12
from prunebench.criteria.group_lasso import group_lasso
from prunebench.criteria.l1 import l1_norm
from prunebench.criteria.l2 import l2
from prunebench.criteria.magnitude import magnitude

STRENGTH = 1e-5 * 0.5


def _alone(name: str, function: Callable[..., Tensor], form: str = "") -> Criterion:
    options = (("form", form),) if form else ()
    return Criterion(
        magnitude,
        name=f"{name}_2021",
        regulariser=Penalty(function, strength=STRENGTH, options=options),
        reference="Amintoosi, J. of Machine Vision and Image Processing 9(1), 2022, after Mitsuno et al., IJCNN 2020",
    )


L1, L2 = _alone("l1", l1_norm), _alone("l2", l2)
GL = _alone("gl", group_lasso)
HSRGL, HSQGL = _alone("hsrgl", group_lasso, "square-rooted"), _alone("hsqgl", group_lasso, "squared")
ES = _alone("es", exclusive_sparsity)
HSRES, HSQES = _alone("hsres", exclusive_sparsity, "square-rooted"), _alone("hsqes", exclusive_sparsity, "squared")
GL12 = _alone("gl12", group_l12)
HSRGL12, HSQGL12 = _alone("hsrgl12", group_l12, "square-rooted"), _alone("hsqgl12", group_l12, "squared")
