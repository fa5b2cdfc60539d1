"""From scores to predictions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

LINKS = ("identity", "log", "logistic", "softmax", "margin")


def apply_link(link: str, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return predictions.

    Parameters
    ----------
    link : str
        ``"identity"``, ``"log"`` (mean is exp), ``"logistic"``, ``"softmax"``, or ``"margin"`` (scores have no
        probabilities; predictions are class indices).
    scores : float64 array of shape (n_outputs, n_rows)
        Of one output for two classes, but for ``"softmax"``, which takes one a class.

    Returns
    -------
    float64 array of shape (n_rows,) or (n_rows, n_outputs)
    """
    if link == "logistic":
        return np.asarray(special.expit(scores[0]))
    if link == "softmax":
        if scores.shape[1] == 1:  # NumPy adds a single column in another order than several
            return np.asarray(special.softmax(np.repeat(scores, 2, axis=1), axis=0).T[:1])
        return np.asarray(special.softmax(scores, axis=0).T)
    if link == "log":
        return np.asarray(np.exp(np.clip(scores[0], -700.0, 700.0)))
    if link == "margin":
        index = scores.argmax(axis=0) if len(scores) > 1 else scores[0] > 0.0
        return np.asarray(index, np.float64)
    return np.asarray(scores[0] if len(scores) == 1 else scores.T)
