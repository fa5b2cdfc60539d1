"""Kernel ridge and kernel logistic regression over features that are made block by block and never stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from scalable import lapack
from scalable.bayes.laplace import Laplace, LogisticSums, Mode, Sums
from scalable.data.block import Block
from scalable.errors import DataError, UsageError
from scalable.execution.executors import Executor
from scalable.execution.iterate import iterate
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction
from scalable.features.number_encoder import NumberEncoder
from scalable.features.target_summary import TargetSummary
from scalable.kernel_approximation.feature_map import Map, draw_map, feature_blocks
from scalable.models.arrays.model import Arrays, complete
from scalable.models.arrays.one_pass import OnePassClassifier, OnePassEstimator, OnePassRegressor
from scalable.models.arrays.second_moments import Moments, SecondMoments

EVERY_COLUMN = "feature"


@dataclass(frozen=True)
class FeatureMoments(SecondMoments):
    """The second moments of the features of rows and their target."""

    columns: tuple[str, ...] = ()
    arrays: Map = field(default_factory=dict)

    def step(self, state: Moments, block: Block) -> Moments:
        """Add a block, a chunk of features at a time."""
        complete(block, self.columns)
        for part in feature_blocks(self.arrays, block):
            state = super().step(state, part)
        return state


@dataclass(frozen=True)
class FeatureSums(LogisticSums):
    """The log loss over the features of rows, with its derivatives."""

    columns: tuple[str, ...] = ()
    arrays: Map = field(default_factory=dict)

    def step(self, state: Sums, block: Block) -> Sums:
        """Add a block, a chunk of features at a time."""
        complete(block, self.columns)
        for part in feature_blocks(self.arrays, block):
            state = super().step(state, part)
        return state


@dataclass(frozen=True)
class FeatureNewton(Laplace):
    """Newton's steps over the features of rows."""

    columns: tuple[str, ...] = ()
    arrays: Map = field(default_factory=dict)

    def reduction(self, state: Mode) -> FeatureSums:
        """Return the sums at the state's coefficients."""
        return FeatureSums(state.coef, self.names, self.columns, self.arrays)


class _Kernel(OnePassEstimator):
    """What both machines share: the map, and scores from its features."""

    kind: str = "fourier"
    n_components: int = 128
    gamma: Any = "scale"
    alpha: float = 1.0
    random_state: Any = None
    _finite: ClassVar[Literal["allow-nan"] | bool] = True
    _positional: ClassVar[tuple[str, ...]] = ("kind", "n_components")

    def _reduction(self, encoder: NumberEncoder, target: TargetSummary) -> Any:
        """Return nothing: the map is drawn first, in `_arrays`."""

    def _drawn(self, executor: Executor, reader: BlockReader) -> dict[str, NDArray[Any]]:
        if not self.alpha > 0.0:
            raise UsageError(f"alpha must be positive, not {self.alpha!r}")
        return draw_map(executor, reader, self.kind, self.n_components, self.gamma, self.random_state)

    @staticmethod
    def _line(arrays: Arrays, block: Block) -> NDArray[np.float64]:
        out = np.full(block.n_rows, float(arrays["intercept"]))
        for part in feature_blocks(arrays, block):
            low = part.first_row - block.first_row
            for weight, row in zip(arrays["coef"], part.columns, strict=True):
                out[low : low + part.n_rows] += weight * row
        return out


class KernelRidge(OnePassRegressor, _Kernel):
    """Kernel ridge regression by random features or landmarks: one pass over rows that need not fit in memory.

    Minimises ``sum of squared errors + alpha |coef|^2`` over the features, the intercept free. A pass costs the square
    of `n_components` a row; what is kept does not depend on the rows.

    Parameters
    ----------
    kind, n_components, gamma
        Which features, how many, and of which kernel; see `scalable.kernel_approximation.feature_map.draw_map`.
    alpha : float
        Strength of the penalty.
    random_state : int, RandomState or None
        Of directions or landmarks.
    n_workers, client
        As for every learner, see `scalable.models.estimator.Estimator`.
    """

    def _arrays(
        self, executor: Executor, reader: BlockReader, encoder: NumberEncoder, target: TargetSummary
    ) -> Arrays:
        drawn = self._drawn(executor, reader)
        names = tuple(f"{EVERY_COLUMN} {k}" for k in range(self.n_components))
        moments = FeatureMoments(names, True, tuple(encoder.needed), drawn)
        n, mean, squares = run_reduction(executor, moments, reader, label="train KernelRidge")
        if n <= 0.0:
            raise DataError(f"n_samples={n:g}: no row has any weight")
        gram = squares[:-1, :-1] + self.alpha * np.eye(self.n_components)
        coef = lapack.cho_solve(lapack.cho_factor(gram), squares[:-1, -1])
        return {**drawn, "coef": coef, "intercept": np.array(mean[-1] - mean[:-1] @ coef)}

    @staticmethod
    def scores(arrays: Arrays, block: Block) -> NDArray[np.float64]:
        """Return predictions, shape (1, n_rows)."""
        return _Kernel._line(arrays, block)[None]


class KernelClassifier(OnePassClassifier, _Kernel):
    """Kernel logistic regression by random features or landmarks, by Newton's steps of one pass each.

    Minimises ``sum of log losses + alpha / 2 |coef|^2`` over the features, the intercept free. Two classes only.

    Parameters
    ----------
    kind, n_components, gamma, random_state
        As of `KernelRidge`.
    alpha : float
        Strength of the penalty.
    max_iter, tol : int, float
        Most passes; squared Newton decrement, relative to the objective, that ends the steps.
    n_workers, client
        As for every learner, see `scalable.models.estimator.Estimator`.
    """

    max_iter: int = 50
    tol: float = 1e-10

    def _arrays(
        self, executor: Executor, reader: BlockReader, encoder: NumberEncoder, target: TargetSummary
    ) -> Arrays:
        weight = np.asarray(target.class_weight)
        if len(weight) != 2 or weight.min() <= 0.0:
            raise DataError(
                f"Only binary classification is supported: the target has {int((weight > 0.0).sum())} class(es) of any "
                "weight, two are needed"
            )
        if self.max_iter < 1:
            raise UsageError(f"max_iter must be 1 or more, not {self.max_iter!r}")
        drawn = self._drawn(executor, reader)
        names = tuple(f"{EVERY_COLUMN} {k}" for k in range(self.n_components))
        coef = np.r_[np.zeros(self.n_components), np.log(weight[1] / weight[0])]
        newton = FeatureNewton(names, self.tol, False, tuple(encoder.needed), drawn)
        done = iterate(
            executor, newton, Mode(coef=coef, best=coef, prior=float(self.alpha)), reader, max_iter=self.max_iter,
            stage="kernel", label="train KernelClassifier",
        )  # fmt: skip
        self._report(None if done.converged else f"{done.n_iter} passes, raise max_iter or tol")
        found = done.state.best
        return {
            **drawn,
            "coef": found[:-1],
            "intercept": np.array(found[-1]),
            "n_iter": np.array(done.n_iter),
        }

    @staticmethod
    def scores(arrays: Arrays, block: Block) -> NDArray[np.float64]:
        """Return log odds beside zeros, shape (2, n_rows)."""
        line = _Kernel._line(arrays, block)
        return np.stack([np.zeros(len(line)), line])

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: two classes only."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags
