"""What the tests of a report are: the families, what they may get wrong, and too few seeds."""

from collections.abc import Iterator

import pandas as pd

from prunebench.records.requested import FEWEST_SEEDS
from prunebench.reports.analysis.verdicts import ALPHA, TOO_FEW
from prunebench.reports.formatting import percent
from prunebench.reports.language.message import say, say_many
from prunebench.reports.ordering import BASELINE

HOW = say(
    "Every criterion against `{baseline}`, and every combination against its parts, paired over seeds, at level "
    "{level}. One test holds all of a task and ranking: signs are flipped for whole seeds, all contrasts together, "
    "with step-down maxima (Westfall and Young). It is exact if differences are symmetric about their mean. 'On these "
    "test pictures': other pictures might undo it, as the interval over seeds and pictures contains zero.",
    baseline=BASELINE,
    level=format(ALPHA, "g"),
)


def notes_on_tests(differences: pd.DataFrame, areas: pd.DataFrame) -> tuple[str, ...]:
    """Say what the tests are, how many families there are, and where seeds are too few."""
    return (HOW, *families_note(differences, areas), *too_few_seeds_notes(differences))


def families_note(differences: pd.DataFrame, areas: pd.DataFrame) -> Iterator[str]:
    """Say how many families the report holds, and how likely some false verdict is."""
    both = [part for part in (differences, areas) if "family" in part]
    if not both:
        return
    tested = pd.concat([part.dropna(subset=["family"])[["task", "ranking"]] for part in both])
    number, contrasts = len(tested.drop_duplicates()), len(tested)
    if number == 1:
        yield say_many(
            "One family of tests, {number} contrast: its task and ranking. It has a false verdict with a probability "
            "of at most {level}.",
            "One family of tests, {number} contrasts: its task and ranking. It has a false verdict with a probability "
            "of at most {level}.",
            contrasts,
            level=percent(ALPHA, 0),
        )
    else:
        yield say(
            "{families} families of tests, {contrasts} contrasts: one family for each task and ranking. Each has a "
            "false verdict with a probability of at most {level}. Where nothing differs anywhere, some family has one "
            "with a probability of about {some}, if families are independent.",
            families=number,
            contrasts=format(contrasts, ","),
            level=percent(ALPHA, 0),
            some=percent(1 - (1 - ALPHA) ** number, 0),
        )


def too_few_seeds_notes(differences: pd.DataFrame) -> Iterator[str]:
    """Say which numbers of seeds are too few for any verdict, and how many are needed."""
    if "family" not in differences:
        return
    few = differences[differences["verdict"] == TOO_FEW].dropna(subset=["family"])
    for seeds, needed in sorted({(int(row["n"]), int(row["seeds_needed"])) for row in few.to_dict("records")}):
        if needed > FEWEST_SEEDS:
            yield say_many(
                "{number} seed cannot decide, whatever it had given: other contrasts of the family could not be "
                "tested, so p is larger. {needed} seeds are the fewest that can, then.",
                "{number} seeds cannot decide, whatever they had given: other contrasts of their family could not be "
                "tested, so p is larger. {needed} seeds are the fewest that can, then.",
                seeds,
                needed=needed,
            )
        else:
            yield say_many(
                "{number} seed cannot decide, whatever it had given: the smallest possible p is {least}. {needed} "
                "seeds are the fewest that can, for any number of contrasts.",
                "{number} seeds cannot decide, whatever they had given: the smallest possible p is {least}. {needed} "
                "seeds are the fewest that can, for any number of contrasts.",
                seeds,
                least=format(2.0 ** (1 - seeds), ".2g"),
                needed=needed,
            )
