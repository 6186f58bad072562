"""Facts of one stage, stored as JSON beside the stage's network. Torch-free."""

import json
from pathlib import Path

from prunebench.records.packed import PerPicture
from prunebench.records.record import Epoch, WeightCount
from prunebench.records.selection import SelectionFacts
from prunebench.records.sparse import ChoiceChange, SparseFacts
from prunebench.records.store_files import read_json
from prunebench.records.validation import Amount, Count, Fraction, Frozen, Items, Name, Text, validated

FACTS = "facts.json"


class Measured(Frozen):
    """Accuracy and top-5 accuracy (fractions) and mean loss (nats) of one network on the test pictures."""

    accuracy: Fraction
    loss: Amount
    top5: Fraction


class StageFacts(Frozen):
    """Facts of one stage.

    cut, cut_bn, final: results on the test pictures right after the cut, with BatchNorm re-estimated, and at the end.
    repaired: results after the repair of the protocol, where there was one. images: final results per picture. weights:
    of the final network. Sparse training and rungs have none of these. floors: groups at their floor.
    pushed: number of units that sparse training pushed to zero, where it chose some.
    change: of the choice of units, by the sparse training before a point. not_compared: why it could not be found.
    selection: how sure the choice of units was; absent without a score and for `random`. cut_seconds: part of `seconds`
    spent on scoring, selection and removal; a second scoring, for `selection`, does not count. repair_seconds: part
    spent on the repair after the cut. memory: peak in bytes. kernels: CPU kernel set that computed the stage. digest:
    hash of the stage's network. parents: keys of the stages it was made from.
    """

    seconds: Amount
    memory: Count
    kernels: Text = ""
    digest: Text = ""
    parents: tuple[Name, ...] = ()
    curve: Items[Epoch] = ()
    sparse: SparseFacts | None = None
    pushed: Count | None = None
    change: ChoiceChange | None = None
    not_compared: Text = ""
    floors: tuple[Name, ...] = ()
    selection: SelectionFacts | None = None
    cut_seconds: Amount = 0.0
    repair_seconds: Amount = 0.0
    cut: Measured | None = None
    cut_bn: Measured | None = None
    repaired: Measured | None = None
    final: Measured | None = None
    images: PerPicture | None = None
    weights: WeightCount | None = None

    def write(self, folder: Path) -> None:
        """Write the facts into a stage's folder."""
        facts = self.model_dump(mode="json", exclude_defaults=True)
        (folder / FACTS).write_text(json.dumps(facts))  # pydantic would write an infinite number as null


def read_stage_facts(folder: Path) -> StageFacts:
    """Read the facts in a stage's folder. Raises `UserError` where they cannot be read."""
    path = folder / FACTS
    return validated(StageFacts, read_json(path), str(path))
