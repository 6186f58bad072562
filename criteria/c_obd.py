"""C-OBD: Optimal Brain Damage summed over a channel, with a sampled Fisher diagonal (Wang et al., ICML 2019).

The score is that of `obd`: 1/2 sum_i F_ii w_i^2 over a unit's weights and bias. C-OBD is the baseline of EigenDamage,
whose Fisher takes labels drawn from the network's own predictions; with `obd`'s default curvature the two are one.
"""

from prunebench.criteria.obd import obd
from prunebench.criterion import Criterion, Ranking

CRITERION = Criterion(
    obd,
    name="c_obd",
    scale="loss",
    curvature="sampled",
    published=Ranking("global"),
    reference="Wang, Grosse, Fidler, Zhang. EigenDamage. ICML 2019, C-OBD",
)
