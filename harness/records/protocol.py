"""The protocol: the budget and schedule that every criterion of a comparison shares."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError

from prunebench.records.names import OptimiserName, RankingName, RepairName, ScoreNorm, UnitsName
from prunebench.records.validation import Frozen, Name, Scalar, first_fault

PROTOCOL_VERSION = 1
"""Version of what a result means; docs/explanation/protocol.md says what raises it.

Every stage key and every record holds it. Results of several versions are never compared.
"""


LATER = frozenset({"optimiser", "constant_rate", "rung_step", "repair", "normalise_scores", "units"})
"""Options younger than some results. At their defaults they stand in no key and no record, so that these stay valid."""


MOST_RUNGS = 300  # of a ladder


def read_epochs(given: Any) -> Any:
    """Read epochs by rung: one number for all rungs, or a list whose last number holds for all further rungs.

    >>> read_epochs("2"), read_epochs("3, 2,1"), read_epochs([4, 4])
    (2, '3,2,1', 4)
    """
    if isinstance(given, bool) or not isinstance(given, str | list | tuple):
        return given
    parts = given.split(",") if isinstance(given, str) else [str(one) for one in given]
    if not parts or not all(part.strip().isdecimal() and part.isascii() for part in parts):
        raise ValueError("must be a whole number, or a list such as 3,2,1")
    numbers = [int(part) for part in parts]
    return numbers[0] if len(set(numbers)) == 1 else ",".join(map(str, numbers))


class Protocol(Frozen):
    """Options that decide a result besides task, criterion, seed and keep. None: the model family's default."""

    model_config = ConfigDict(allow_inf_nan=False)

    weights: str = Field("", description="checkpoint file that the dense network starts from")
    normalise: Literal["data", "imagenet"] | None = Field(
        None, description="source of the mean and standard deviation that normalise colours"
    )
    frozen_epochs: int = Field(0, ge=0, description="epochs that train only a new classifier, before dense training")
    frozen_rate: float = Field(1.0, gt=0, description="peak rate of the frozen epochs, as a share of the dense peak")
    optimiser: OptimiserName = Field("sgd", description="optimiser of every stage")
    constant_rate: bool = Field(False, description="keep the peak rate after the warm-up, without the cosine")
    epochs: int | None = Field(None, ge=0, description="epochs of dense training; 0 takes the weights as they are")
    batch: int | None = Field(None, ge=2, description="pictures in a training batch")
    rate: float | None = Field(None, gt=0, description="peak learning rate of dense training")
    weight_decay: float | None = Field(None, ge=0, description="weight decay")
    sparse_epochs: int = Field(10, ge=0, description="epochs of sparse training, the same for every criterion")
    sparse_rate: float = Field(0.3, gt=0, description="peak rate of sparse training, as a share of the dense peak")
    rung: float = Field(0.8, gt=0, lt=1, description="factor between the keeps of successive rungs of the ladder")
    rung_step: float = Field(
        0.0, ge=0, lt=1, description="share of the dense network that each rung removes, in place of --rung"
    )
    rung_epochs: Annotated[Annotated[int, Field(ge=0)] | str, BeforeValidator(read_epochs)] = Field(
        1, description="epochs of training at each rung; 3,2,1 for the first rungs, the last number for all further"
    )
    finetune_epochs: int = Field(10, ge=0, description="epochs of fine-tuning at each requested keep")
    finetune_rate: Annotated[float, Field(gt=0)] | Literal["swept"] = Field(
        0.3, description="peak rate of fine-tuning, as a share of the dense peak; swept: as `prunebench sweep` chose"
    )
    ranking: RankingName = Field("local", description="how units of different layers are ranked together")
    normalise_scores: ScoreNorm = Field(
        "none", description="normalisation of the scores of each layer before a global or isomorphic ranking"
    )
    units: UnitsName = Field(
        "filters", description="what is removed: units of layers, or residual blocks with an identity bypass"
    )
    coupled: bool = Field(True, description="prune units that several layers write (residual streams)")
    restart: bool = Field(False, description="prune each keep in one cut, without a ladder, with the same epochs")
    repair: RepairName = Field("none", description="repair of a network after every cut, before it is trained")
    floor: float = Field(0.1, ge=0, lt=1, description="smallest share of its units that a group may keep")
    round_to: int = Field(1, ge=1, description="keep a multiple of this many units in each group")
    calibration: int = Field(1024, ge=1, description="training pictures that scores are computed on")
    calibration_batch: int = Field(64, ge=1, description="pictures in a calibration batch")
    train_fraction: float = Field(1.0, gt=0, le=1, description="share of the training pictures to use")
    validation_fraction: float = Field(0.1, gt=0, lt=1, description="share of these pictures held out for validation")
    mixed_precision: bool = Field(False, description="train under bfloat16 autocast on a CUDA device")
    tf32: bool = Field(False, description="allow TensorFloat-32 matrix products on a GPU")

    def rungs_above(self, keep: float) -> int:
        """Count the rungs strictly above a keep, up to `MOST_RUNGS` + 1.

        >>> Protocol().rungs_above(0.5), Protocol().rungs_above(0.8), Protocol().rungs_above(1.0)
        (3, 0, 0)
        """
        count = 0
        while count <= MOST_RUNGS and self.rung_keep(count + 1) > keep + 1e-9:
            count += 1
        return count

    def rung_keep(self, number: int) -> float:
        """Keep of a rung, counted from 1.

        >>> Protocol().rung_keep(2), Protocol(rung_step=0.125).rung_keep(2)
        (0.64..., 0.75)
        """
        return 1 - number * self.rung_step if self.rung_step else float(self.rung**number)

    def epochs_at(self, rung: int) -> int:
        """Epochs of a rung, counted from 1.

        >>> [Protocol(rung_epochs="3,1").epochs_at(rung) for rung in (1, 2, 3)]
        [3, 1, 1]
        """
        if isinstance(self.rung_epochs, int):
            return self.rung_epochs
        numbers = self.rung_epochs.split(",")
        return int(numbers[min(rung, len(numbers)) - 1])

    def epochs_of_rungs(self, rungs: int) -> int:
        """Epochs of the first rungs together."""
        return sum(self.epochs_at(rung) for rung in range(1, rungs + 1))

    def facts(self, *names: str) -> dict[str, Any]:
        """Options for keys and records, by default all; those of `LATER` only where they are not at their defaults.

        >>> Protocol(optimiser="adam").facts("floor", "optimiser", "rung_step")
        {'floor': 0.1, 'optimiser': 'adam'}
        """
        options = {name: getattr(self, name) for name in names or type(self).model_fields}
        at_default = {name for name in LATER if options.get(name) == type(self).model_fields[name].default}
        return {name: value for name, value in options.items() if name not in at_default}

    def epochs_after(self, keep: float) -> int:
        """Epochs from the dense network to a finished point: sparse training, rungs, fine-tuning.

        >>> Protocol().epochs_after(0.5)
        23
        """
        return self.sparse_epochs + self.epochs_of_rungs(self.rungs_above(keep)) + self.finetune_epochs


_FIELDS = frozenset(Protocol.model_fields)  # pydantic looks them up anew each time


def _as_options(options: dict[str, Any]) -> dict[str, Any]:
    try:
        Protocol.model_validate({name: value for name, value in options.items() if name in _FIELDS})
    except ValidationError as error:
        raise ValueError(first_fault(error, "")) from None
    return options


Options = Annotated[dict[Name, Scalar], AfterValidator(_as_options)]
"""Options of a protocol in a record, each within its limits. Older and newer versions may have others."""
