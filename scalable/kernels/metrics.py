"""One pass of evaluation over a block: sums and score histograms from which metrics are finished.

Scores are ranked by a histogram over their own bits. A probability is filed by the leading bits of
``min(p, 1 - p)``, so bins are narrow at both ends (relative width ``2**-bits`` down to ``2**-25``, coarser
below, down to the smallest float64), their order is the order of the scores, and no range has to be known
beforehand. ``1 - p`` is exact for ``p >= 0.5`` (Sterbenz), so the fold at one half loses nothing.

A bin holds four float64: weight of label 0, weight of label 1, sum of weight times score, and the
one score it has seen, or NaN once it has seen two. A bin with one score is a true tie; only bins
with several can hide an order, which is what makes the error bounds of the sketch computable.
"""

from __future__ import annotations

import numpy as np

from scalable.kernels.jit import kernel

NEGATIVE, POSITIVE, SUM_SCORE, SCORE = 0, 1, 2, 3
BIN_FIELDS = 4

# Octaves of ``min(p, 1 - p)``: 24 fine ones from 2**-25 up, where scores usually lie, then 40 coarse ones, then all
# the rest. The coarser they are the less memory they take, and even 4 bins an octave rank smooth scores well.
FINE, COARSE = 24, 40
_FINE_EXPONENT = 1023 - (FINE + 1)
_COARSE_EXPONENT = _FINE_EXPONENT - COARSE
_FEWER_COARSE, _FEWER_REST = 5, 10  # bits fewer than in the fine octaves
CLIP = 2.0**-52  # log loss sees probabilities within [CLIP, 1 - CLIP]
_BATCH = 16  # CLIP**16 is a normal float64, so 16 likelihoods share one logarithm

# Fields of the sums of the binary kernel.
WEIGHT, LOG_LOSS, SQUARED = 0, 1, 2
BINARY_SUMS = 3


def n_score_bins(bits: int) -> int:
    """Return the number of bins of a score histogram with ``2**bits`` bins per octave."""
    coarse, rest = max(bits - _FEWER_COARSE, 0), max(bits - _FEWER_REST, 0)
    return 2 * (1 + (_COARSE_EXPONENT << rest) + (COARSE << coarse) + (FINE << bits)) + 1


@kernel(inline=True)
def score_bin(p: float, bits: int) -> int:
    """Return the bin of probability `p` in [0, 1]; monotone in `p`."""
    coarse, rest = max(bits - _FEWER_COARSE, 0), max(bits - _FEWER_REST, 0)
    upper = p > 0.5
    q = 1.0 - p if upper else p
    code = int(np.float64(q).view(np.int64))
    exponent = code >> 52
    first = 1  # bin 0 is exact zero's
    if exponent >= _FINE_EXPONENT:
        index = (code >> (52 - bits)) - (_FINE_EXPONENT << bits)
        index += first + (_COARSE_EXPONENT << rest) + (COARSE << coarse)
    elif exponent >= _COARSE_EXPONENT:
        index = (code >> (52 - coarse)) - (_COARSE_EXPONENT << coarse) + first + (_COARSE_EXPONENT << rest)
    else:
        index = (code >> (52 - rest)) + first if q > 0.0 else 0
    last = 2 * (first + (_COARSE_EXPONENT << rest) + (COARSE << coarse) + (FINE << bits))
    return last - index if upper else index


@kernel(inline=True)
def _file(bins: np.ndarray, b: int, p: float, w: float, positive: bool) -> None:
    """Add one row to bin `b` of a histogram."""
    if bins[b, NEGATIVE] + bins[b, POSITIVE] == 0.0:
        bins[b, SCORE] = p
    elif bins[b, SCORE] != p:
        bins[b, SCORE] = np.nan
    bins[b, POSITIVE if positive else NEGATIVE] += w
    bins[b, SUM_SCORE] += w * p


@kernel()
def binary_step(
    y: np.ndarray,
    p: np.ndarray,
    weight: np.ndarray,
    bits: int,
    bins: np.ndarray,
    widths: np.ndarray,
    sums: np.ndarray,
) -> int:
    """Add a block of two-class predictions to a state.

    Parameters
    ----------
    y : array of shape (n,), float64
        Labels, 0 or 1.
    p : array of shape (n,), float64
        Predicted probabilities of label 1.
    weight : array of shape (n,) or (0,), float64
        Sample weights; empty means one each. Rows of weight 0 are checked, then ignored.
    bits : int
        Bins per octave of the score histogram, as a power of two.
    bins : array of shape (n_score_bins(bits), 4), float64
        Score histogram, updated.
    widths : array of shape (m, 3), float64
        Weight of label 0, of label 1, and sum of weight times score in `m` bins of equal width; updated.
    sums : array of shape (3,), float64
        Weight, log loss and squared error; updated.

    Returns
    -------
    int
        -1, or the first row whose label, score or weight is not usable (the state is then void).
    """
    weighted = weight.size > 0
    n_widths = widths.shape[0]
    w = 1.0
    product = 1.0
    total = 0.0
    log_loss = 0.0
    squared = 0.0
    for i in range(y.size):
        label = y[i]
        score = p[i]
        positive = label == 1.0
        if not ((positive or label == 0.0) and score >= 0.0 and score <= 1.0):
            return i
        if weighted:
            w = weight[i]
            if not (w >= 0.0 and w < np.inf):
                return i
            if w == 0.0:
                continue
        _file(bins, score_bin(score, bits), score, w, positive)
        j = min(int(score * n_widths), n_widths - 1)
        widths[j, POSITIVE if positive else NEGATIVE] += w
        widths[j, SUM_SCORE] += w * score
        likelihood = min(max(score if positive else 1.0 - score, CLIP), 1.0 - CLIP)
        if weighted:
            log_loss -= w * np.log(likelihood)
        else:
            product *= likelihood
            if (i & (_BATCH - 1)) == _BATCH - 1:
                log_loss -= np.log(product)
                product = 1.0
        total += w
        squared += w * (score - label) * (score - label)
    sums[WEIGHT] += total
    sums[LOG_LOSS] += log_loss - np.log(product)
    sums[SQUARED] += squared
    return -1


@kernel()
def merge_bins(left: np.ndarray, right: np.ndarray) -> None:
    """Add score histogram `right`, shape (n_bins, 4), into `left`."""
    for b in range(left.shape[0]):
        if right[b, NEGATIVE] + right[b, POSITIVE] == 0.0:
            continue
        if left[b, NEGATIVE] + left[b, POSITIVE] == 0.0:
            left[b, SCORE] = right[b, SCORE]
        elif left[b, SCORE] != right[b, SCORE]:
            left[b, SCORE] = np.nan
        left[b, NEGATIVE] += right[b, NEGATIVE]
        left[b, POSITIVE] += right[b, POSITIVE]
        left[b, SUM_SCORE] += right[b, SUM_SCORE]


@kernel()
def multiclass_step(
    y: np.ndarray,
    p: np.ndarray,
    weight: np.ndarray,
    bits: int,
    bins: np.ndarray,
    confusion: np.ndarray,
    sums: np.ndarray,
) -> int:
    """Add a block of predictions over k classes to a state.

    Parameters
    ----------
    y : array of shape (n,), float64
        Class indices 0..k-1.
    p : array of shape (n, k), float64
        Predicted probabilities; a row sums to one within 1e-3.
    weight : array of shape (n,) or (0,), float64
        Sample weights; empty means one each.
    bits : int
        Bins per octave of the score histograms, as a power of two.
    bins : array of shape (k, n_score_bins(bits), 4), float64
        One-versus-rest score histograms, updated.
    confusion : array of shape (k, k), float64
        Weight by true class (row) and most probable class (column; the first among equals); updated.
    sums : array of shape (3,), float64
        Weight, log loss and squared error over all classes; updated.

    Returns
    -------
    int
        -1, or the first row that is not usable (the state is then void).
    """
    weighted = weight.size > 0
    n_classes = confusion.shape[0]
    w = 1.0
    for i in range(y.size):
        label = y[i]
        if not (label >= 0.0 and label < n_classes and label == np.floor(label)):
            return i
        if weighted:
            w = weight[i]
            if not (w >= 0.0 and w < np.inf):
                return i
        truth = int(label)
        best = 0
        mass = 0.0
        squared = 0.0
        for c in range(n_classes):
            score = p[i, c]
            if not (score >= 0.0 and score <= 1.0):
                return i
            mass += score
            best = c if score > p[i, best] else best
            error = score - (1.0 if c == truth else 0.0)
            squared += error * error
            if w > 0.0:
                _file(bins[c], score_bin(score, bits), score, w, c == truth)
        if abs(mass - 1.0) > 1e-3:
            return i
        confusion[truth, best] += w
        sums[WEIGHT] += w
        sums[LOG_LOSS] -= w * np.log(min(max(p[i, truth], CLIP), 1.0 - CLIP))
        sums[SQUARED] += w * squared
    return -1


# Fields of a regression state.
MEAN_Y, CENTRED_Y, MEAN_ERROR, SQUARED_ERROR, ABSOLUTE_ERROR, LARGEST_ERROR, DEVIANCE = 1, 2, 3, 4, 5, 6, 7
REGRESSION_SUMS = 8


@kernel()
def regression_step(y: np.ndarray, p: np.ndarray, weight: np.ndarray, sums: np.ndarray) -> int:
    """Compute the sums of one block of a regression.

    Parameters
    ----------
    y, p : arrays of shape (n,), float64
        Targets and predictions, finite.
    weight : array of shape (n,) or (0,), float64
        Sample weights; empty means one each.
    sums : array of shape (8,), float64
        Output, overwritten: weight, mean target, centred squares of the target, mean error
        (prediction minus target), squared, absolute and largest error, Poisson deviance (NaN where a
        target is negative or a prediction not positive). The mean is taken in a pass of its own, so
        targets far from zero keep their digits.

    Returns
    -------
    int
        -1, or the first row that is not usable.
    """
    weighted = weight.size > 0
    sums[:] = 0.0
    w = 1.0
    total = 0.0
    shifted = 0.0
    for i in range(y.size):
        if not (np.isfinite(y[i]) and np.isfinite(p[i])):
            return i
        if weighted:
            w = weight[i]
            if not (w >= 0.0 and w < np.inf):
                return i
        total += w
        shifted += w * (y[i] - y[0])
    if total == 0.0:
        return -1
    mean = y[0] + shifted / total
    centred = drift = errors = squared = absolute = largest = deviance = 0.0
    for i in range(y.size):
        if weighted:
            w = weight[i]
            if w == 0.0:
                continue
        error = p[i] - y[i]
        away = y[i] - mean
        centred += w * away * away
        drift += w * away
        errors += w * error
        squared += w * error * error
        absolute += w * abs(error)
        largest = max(largest, abs(error))
        if y[i] >= 0.0 and p[i] > 0.0:
            log_ratio = y[i] * np.log(y[i] / p[i]) if y[i] > 0.0 else 0.0
            deviance += w * 2.0 * (log_ratio + error)
        else:
            deviance = np.nan
    sums[WEIGHT] = total
    sums[MEAN_Y] = mean + drift / total
    sums[CENTRED_Y] = centred - drift * drift / total
    sums[MEAN_ERROR] = errors / total
    sums[SQUARED_ERROR] = squared
    sums[ABSOLUTE_ERROR] = absolute
    sums[LARGEST_ERROR] = largest
    sums[DEVIANCE] = deviance
    return -1
