"""What a classifier confuses: counts, rates of classes, and the area under the ROC curve."""

import numpy as np
from numpy.typing import NDArray
from pandas import Series

Counts = NDArray[np.int64]
Rates = NDArray[np.float64]
Truth = NDArray[np.bool_]


def confusion_matrix(true: Counts, predicted: Counts, classes: int) -> Counts:
    """Count pictures by true and predicted label. true, predicted: (n,). Returns (classes, classes), rows are true.

    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    counts: Counts = np.bincount(true * classes + predicted, minlength=classes**2).reshape(classes, classes)
    return counts


def class_counts(true: Counts, predicted: Counts, classes: int) -> Counts:
    """Count each class's right answers, its pictures and its predictions. true, predicted: (n,). Returns (3, classes).

    >>> class_counts(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [2, 1], [1, 2]]
    """
    counted = (true[true == predicted], true, predicted)
    return np.stack([np.bincount(labels, minlength=classes) for labels in counted])


def rates(right: Counts, among: Counts) -> Rates:
    """Share of right answers; nan among none. Among a class's pictures: recall; among its predictions: precision.

    >>> rates(np.array([1, 1, 0]), np.array([2, 1, 0])).tolist()
    [0.5, 1.0, nan]
    """
    shares: Rates = np.divide(right, among, out=np.full(among.shape, np.nan), where=among > 0)
    return shares


def second_class_scores(loss: Rates, second: Truth) -> Rates:
    """Log-odds of the second of two classes, (n,), from the cross-entropy of the true class.

    loss: nats, (n,). second: whether the second class is the true one, (n,). The probability of the true class is
    exp(-loss), so that its log-odds are -loss - log(1 - exp(-loss)).

    >>> second_class_scores(np.log([2.0, 4.0]), np.array([True, False])).round(3).tolist()
    [0.0, 1.099]
    """
    with np.errstate(divide="ignore"):
        true_class = -loss - np.log(-np.expm1(-loss))
    return np.where(second, true_class, -true_class)


def roc_auc(scores: Rates, positive: Truth) -> float:
    """Area under the ROC curve: how often a positive has a higher score than a negative; ties count half.

    scores, positive: (n,). nan where there is no positive or no negative.

    >>> roc_auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    0.75
    """
    n, ours = len(scores), int(positive.sum())
    if not 0 < ours < n:
        return float("nan")
    return float((Series(scores).rank().to_numpy()[positive].sum() - ours * (ours + 1) / 2) / (ours * (n - ours)))
