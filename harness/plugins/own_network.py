"""A network that was given as an object: its layers and weights, as they were when it was given."""

from dataclasses import dataclass
from typing import Self

from torch import nn

from prunebench.errors import UserError
from prunebench.plugins.identity import Keyed, identity
from prunebench.plugins.model import Model, Normalise
from prunebench.pruning.copies import copied
from prunebench.pruning.suitability import check_numbers, uncompiled


@dataclass(frozen=True, eq=False)
class _Copies(Keyed):
    """Copies a network, whatever pictures it is asked for. key: hash of its structure and weights."""

    network: nn.Module
    key: str

    def __call__(self, channels: int, size: int, classes: int) -> nn.Module:
        return copied(self.network, "the network")


@dataclass(frozen=True)
class OwnNetwork(Model):
    """A model that builds copies of one network. It comes trained, so `epochs` is 0 by default.

    own_digest: hash of the structure and the weights.

    >>> one, other = (OwnNetwork.of(nn.Linear(2, 2), "net") for _ in range(2))
    >>> one.digest == other.digest
    False
    """

    own_digest: str = ""

    @classmethod
    def of(cls, network: nn.Module, name: str) -> Self:
        """Take a network as it is now; it may be trained further without an effect here.

        Raises `UserError` for a network that cannot be copied, or that has no numbers.
        """
        try:
            check_numbers(network)
        except UserError as error:
            raise UserError(f"model '{name}': {error}") from None
        snapshot = uncompiled(copied(network, f"model '{name}'")).cpu()
        key = str(identity(snapshot))
        return cls(_Copies(snapshot, key), name=name, reference="the user's own", own_digest=key)

    @property
    def pretrained(self) -> bool:
        """Whether training begins with weights that the network brings along: always."""
        return True

    @property
    def normalise(self) -> Normalise:
        """Source of the mean and standard deviation: the data, as the network's own is not known."""
        return "data"

    @property
    def digest(self) -> str:
        """Hash of the structure and the weights."""
        return self.own_digest

    def trained_for(self, channels: int, classes: int) -> bool:
        """Whether the network comes trained for such pictures: always."""
        return True
