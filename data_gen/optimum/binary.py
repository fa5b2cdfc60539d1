"""Datasets with a 0/1 target: solve the intercept for the prevalence, then draw the label.

The intercept is solved for each block of 2**15 rows, so that the mean of p(y=1|x) is the requested
prevalence in every block and hence in any dataset of some size, while a longer dataset still
extends a shorter one. Between blocks it moves by a few hundredths, far below what a label can reveal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from data_gen.columns import Column, Frame
from data_gen.recipe import Chunk, Recipe, copy_rows, empty_frame, part_of
from data_gen.values.elementary import exp2, exp2f
from data_gen.values.laws import unit64
from scalable.kernels.jit import kernel

BLOCK = 1 << 15  # rows
_LOG2E = 1.4426950408889634
_SUBSAMPLE = 16
Array = np.ndarray[Any, np.dtype[Any]]


@kernel(fastmath=True)
def mean_and_slope(scores: Any, intercept: Any, step: Any) -> Any:
    """Return the sums of p and p(1 - p) of every `step`-th score, p = sigmoid(intercept + score).

    Parameters
    ----------
    scores : (n,) float32
    intercept : float
    step : int
    """
    shift, scale = np.float32(intercept * _LOG2E), np.float32(_LOG2E)
    one = np.float32(1)
    total, slope = 0.0, 0.0
    for i in range(scores.size // step):
        p = one / (one + exp2f(-(shift + scale * scores[i * step])))
        total += np.float64(p)
        slope += np.float64(p * (one - p))
    return total, slope


@kernel(fastmath=True)
def probabilities(scores: Any, intercept: Any, out: Any) -> None:
    """Write sigmoid(intercept + score). Parameters: scores (n,) float32; intercept; out (n,) float64."""
    for i in range(scores.size):
        out[i] = 1.0 / (1.0 + exp2(-_LOG2E * (intercept + np.float64(scores[i]))))


@kernel(fastmath=True)
def draw_labels(bits: Any, probability: Any, out: Any) -> None:
    """Write 1 where a uniform is below p. Parameters: bits (n,) uint64; probability (n,); out (n,) int8."""
    for i in range(bits.size):
        out[i] = np.int8(1) if unit64(bits[i]) < probability[i] else np.int8(0)


def solve_intercept(scores: Array, prevalence: float) -> float:
    """Return the intercept at which the mean of sigmoid(intercept + scores) is `prevalence`.

    Newton's method on the logit of the mean, which is nearly linear in the intercept: on every
    sixteenth score first, then on all of them until the mean is right to one in 10**6. Where scores lie
    so far apart that the logit is flat between them, which no such step crosses, the interval that must
    hold the intercept is halved instead.
    """
    target = np.log(prevalence / (1.0 - prevalence))
    intercept = float(target)
    for step in (_SUBSAMPLE, 1):
        n = len(scores) // step
        for _ in range(60):
            total, slope = mean_and_slope(scores, intercept, step)
            mean = min(max(total / n, 1e-300), 1.0 - 1e-16)
            if abs(mean - prevalence) <= 1e-6 * prevalence * (1 if step == 1 else 1000):
                break
            gap = np.log(mean / (1.0 - mean)) - target
            gradient = max(slope / n / (mean * (1.0 - mean)), 0.05)
            intercept -= float(np.clip(gap / gradient, -8.0, 8.0))
        else:
            if step == 1:
                return _halved(scores, prevalence, target)
    return intercept


def _halved(scores: Array, prevalence: float, target: float) -> float:
    """Return the intercept by halving, exact to the last bit that the mean shows."""
    low, high = target - float(scores.max()), target - float(scores.min())
    p = np.empty(len(scores))
    while low < (middle := 0.5 * (low + high)) < high:
        probabilities(scores, middle, p)
        mean = float(p.mean())
        if abs(mean - prevalence) <= 1e-9 * prevalence:
            return middle
        low, high = (middle, high) if mean < prevalence else (low, middle)
    return 0.5 * (low + high)


class BinaryChunk(Chunk):
    """A chunk that also makes ``score`` (log-odds without intercept) and ``draw`` (label bits)."""


class BinaryRecipe(Recipe):
    """A dataset whose last column is a label drawn from the row as written."""

    chunk_type: ClassVar[type[Chunk]] = BinaryChunk
    truth_kind = "binary"
    target: str

    @property
    def prevalence(self) -> float:
        """Mean of p(y=1|x) in every block of rows."""
        return float(self.knobs["prevalence"])

    def needs_label(self, columns: Sequence[Column]) -> bool:
        """Return whether any of `columns` is computed from the label."""
        return any(c.name in self.after_label for c in columns)

    @property
    def after_label(self) -> tuple[str, ...]:
        """Names of the columns computed from the label, itself included."""
        return (self.target,)

    def compute(self, start: int, stop: int, columns: Sequence[Column], room: Frame | None = None) -> Frame:
        """Return generated values of rows ``start .. stop``; whole blocks are read for a label."""
        if not self.needs_label(columns):
            return super().compute(start, stop, columns, room)
        return self.score(start, stop, columns, room)[0]

    def score(
        self, start: int, stop: int, columns: Sequence[Column], room: Frame | None = None
    ) -> tuple[Frame, tuple[Array, Array, Array | None]]:
        """Return the values; p(y=1|x) (float64), labels (int8) and `Chunk.copies` of the same rows."""
        frame = empty_frame(columns, stop - start) if room is None else part_of(room, 0, stop - start)
        plain = {name: values for name, values in frame.items() if name not in self.after_label}
        chance, label = np.empty(stop - start), np.empty(stop - start, np.int8)
        scores = np.empty(BLOCK, np.float32)
        copies: Array | None = None
        for first in range(start - start % BLOCK, stop, BLOCK):
            low, high = max(start, first), min(stop, first + BLOCK)
            draws = np.empty(high - low, np.uint64)
            for chunk in self.chunks(first, first + BLOCK):
                chunk.put_into(plain, start, stop)
                scores[chunk.start - first :][: chunk.n] = chunk["score"]
                if chunk.start < high and chunk.start + chunk.n > low:
                    copy_rows(plain, chunk, start, stop)
                    a, b = max(low, chunk.start), min(high, chunk.start + chunk.n)
                    draws[a - low : b - low] = chunk["draw"][a - chunk.start : b - chunk.start]
                    if chunk.copies is not None:
                        copies = np.ones(stop - start, np.int64) if copies is None else copies
                        copies[a - start : b - start] = chunk.copies[a - chunk.start : b - chunk.start]
            here = slice(low - start, high - start)
            intercept = solve_intercept(scores, self.prevalence)
            probabilities(scores[low - first : high - first], intercept, chance[here])
            draw_labels(draws, chance[here], label[here])
        if self.target in frame:
            frame[self.target].data[:] = label
        self.finish(frame, start, stop, label)
        return frame, (chance, label, copies)

    def finish(self, frame: Frame, start: int, stop: int, label: Array) -> None:
        """Fill columns of `frame` that depend on the label, other than the target."""
