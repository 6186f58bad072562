"""Against scikit-learn, on the probabilities that a network gives."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix as sklearn_matrix, precision_score, recall_score, roc_auc_score

from prunebench.reports.statistics.classification import (
    class_counts,
    confusion_matrix,
    rates,
    roc_auc,
    second_class_scores,
)


@pytest.mark.parametrize("classes", [2, 10])
def test_counts_and_rates_are_those_of_scikit_learn(classes: int) -> None:
    rng = np.random.default_rng(classes)
    true = rng.integers(0, classes, 300)
    predicted = np.where(rng.random(300) < 0.6, true, rng.integers(0, classes, 300))
    ours = confusion_matrix(true, predicted, classes)
    assert (ours == sklearn_matrix(true, predicted)).all()
    right, pictures, given = class_counts(true, predicted, classes)
    assert rates(right, pictures) == pytest.approx(recall_score(true, predicted, average=None))
    assert rates(right, given) == pytest.approx(precision_score(true, predicted, average=None))


def test_a_class_without_pictures_or_answers_has_no_rate() -> None:
    right, pictures, given = class_counts(np.array([0, 0]), np.array([0, 1]), 3)
    assert rates(right, pictures)[0] == 0.5 and np.isnan(rates(right, pictures)[1:]).all()
    assert rates(right, given)[:2].tolist() == [1.0, 0.0] and np.isnan(rates(right, given)[2])


@pytest.mark.parametrize("precision", [np.float64, np.float32, np.float16])
def test_the_area_from_stored_losses_is_that_of_the_probabilities(precision: type) -> None:
    rng = np.random.default_rng(7)
    second = rng.random(2_000) < 0.3
    logits = 3 * rng.standard_normal(2_000) + 2 * second
    probability = 1 / (1 + np.exp(-logits))
    loss = -np.log(np.where(second, probability, 1 - probability)).astype(precision).astype(np.float64)
    scores = second_class_scores(loss, second)
    assert scores == pytest.approx(logits, rel=5e-3, abs=0.02)
    area = roc_auc(scores, second)
    assert area == pytest.approx(roc_auc_score(second, scores), abs=1e-12)
    assert area == pytest.approx(roc_auc_score(second, probability), abs=1e-4)


def test_ties_and_certainty_count_half() -> None:
    second = np.array([True, True, False, False])
    certain = second_class_scores(np.array([0.0, np.inf, 0.0, np.inf]), second)
    assert certain.tolist() == [np.inf, -np.inf, -np.inf, np.inf]
    assert roc_auc(certain, second) == 0.5 == roc_auc(np.zeros(4), second)
    assert np.isnan(roc_auc(np.zeros(3), np.ones(3, bool)))
