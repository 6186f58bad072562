"""Random: the control that any criterion has to beat."""

import torch
from torch import Tensor

from prunebench import Criterion


def random(weight: Tensor, generator: torch.Generator) -> Tensor:
    """Independent draws, uniform on [0, 1); a coupled group has one draw per unit.

    weight: (units, fan_in), gives the number of units. Returns (units,).

    >>> random(torch.zeros(3, 2), torch.Generator().manual_seed(0)).shape
    torch.Size([3])
    """
    draws = torch.rand(len(weight), generator=generator, device=generator.device, dtype=torch.float64)
    return draws.to(weight)


CRITERION = Criterion(random, coupling="first", reference="control")
