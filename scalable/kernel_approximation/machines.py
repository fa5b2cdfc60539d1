"""Kernel ridge, logistic regression and support vectors over features that are made block by block and never stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from scalable import lapack
from scalable.bayes.laplace import Mode
from scalable.data.block import Block
from scalable.errors import DataError, UsageError
from scalable.execution.executors import Executor
from scalable.execution.iterate import iterate
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction
from scalable.features.number_encoder import NumberEncoder
from scalable.features.target_summary import TargetSummary
from scalable.kernel_approximation.feature_curvature import descent_from
from scalable.kernel_approximation.feature_descent import LossOfSteps, descend, threads_of
from scalable.kernel_approximation.feature_map import draw_map, feature_blocks
from scalable.kernel_approximation.feature_sums import FeatureMoments, FeatureNewton
from scalable.kernel_approximation.single_precision import readied, scores_of
from scalable.kernels.linear.losses import LOSSES
from scalable.mixture.start import sample_rows, seeds
from scalable.models.arrays.model import Arrays
from scalable.models.arrays.one_pass import OnePassClassifier, OnePassEstimator, OnePassRegressor
from scalable.models.supervised import Classifier

EVERY_COLUMN = "feature"
SOLVERS = ("auto", "newton", "descent")
CHEAP = 2**34  # products of two features over all rows, of a pass of Newton's: a second or two
EXACT_TOL = 1e-10
SINGLE_LEAST = 1e-5  # of landmarks in single precision, see `draw_map`
OF_SOFTMAX = 0.3  # as `LossOfSteps.bend`: no class by itself bends more than 0.25, two against each other 0.5
BENDS = {"squared_hinge": 1.0, "hinge": 1.0}  # see `LossOfSteps.bend`


class _Kernel(OnePassEstimator):
    """What both machines share: the map, and scores from its features."""

    kind: str = "fourier"
    n_components: int = 128
    gamma: float | str = "scale"
    alpha: float = 1.0
    random_state: Any = None
    _finite: ClassVar[Literal["allow-nan"] | bool] = True
    _positional: ClassVar[tuple[str, ...]] = ("kind", "n_components")

    def _reduction(self, encoder: NumberEncoder, target: TargetSummary) -> Any:
        """Return nothing: the map is drawn first, in `_arrays`."""

    def _descended(
        self,
        executor: Executor,
        reader: BlockReader,
        n_rows: int,
        weight: NDArray[np.float64],
        loss: LossOfSteps,
        max_iter: int,
        tol: float,
    ) -> Arrays:
        """Return the arrays of a model by descent on `n_rows` selected rows; `weight` is that of each class."""
        assert reader.encoder is not None
        total, seed = float(weight.sum()), seeds(self.random_state, 2)[1]
        sample, names = sample_rows(executor, reader, seed), tuple(reader.encoder.needed)
        drawn = self._drawn(executor, reader, sample)
        learner, drawn = descent_from(
            sample, drawn, names, loss, float(self.alpha), total, threads_of(executor)
        )
        label = f"train {type(self).__name__}"
        start = np.zeros((len(loss.start), self.n_components + 1))
        start[:, -1] = loss.start
        found, passes, converged = descend(
            executor, learner, reader, n_rows, start, max_iter, tol, seed, label
        )
        self._report(None if converged else f"{passes} passes, raise max_iter or tol")
        coef, intercept = found[:, :-1].astype(np.float32), found[:, -1]
        if len(found) == 1:
            coef, intercept = coef[0], np.array(intercept[0])
        return {**drawn, "coef": coef, "intercept": intercept, "n_iter": np.array(passes)}

    def _drawn(
        self, executor: Executor, reader: BlockReader, sample: NDArray[np.float64] | None = None
    ) -> dict[str, NDArray[Any]]:
        if not 0.0 < self.alpha < np.inf:
            raise UsageError(f"alpha must be finite and positive, not {self.alpha!r}")
        how = self.kind, self.n_components, self.gamma, self.random_state
        return draw_map(executor, reader, *how, sample, SINGLE_LEAST if sample is not None else 0.0)

    @staticmethod
    def ready(arrays: Arrays) -> Mapping[str, Any]:
        """Return what `scores` takes: with ``centre``, directions as kernels have them."""
        return readied(arrays) if "centre" in arrays else arrays

    @staticmethod
    def _line(arrays: Arrays, block: Block) -> NDArray[np.float64]:
        out = np.full(block.n_rows, float(arrays["intercept"]))
        for part in feature_blocks(arrays, block):
            low = part.first_row - block.first_row
            for weight, row in zip(arrays["coef"], part.columns, strict=True):
                out[low : low + part.n_rows] += weight * row
        return out

    @staticmethod
    def _of_classes(arrays: Arrays, block: Block) -> NDArray[np.float64]:
        """Return a score a class, shape (n_classes, n_rows); of two, zeros for the first."""
        if "centre" in arrays:
            return scores_of(arrays, block)
        line = _Kernel._line(arrays, block)
        return np.stack([np.zeros(len(line)), line])


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

    Examples
    --------
    >>> import numpy as np
    >>> from scalable.kernel_approximation import KernelRidge
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> t = np.sin(x[:, 0])
    >>> KernelRidge("structured", 64, random_state=0).fit(x, t).score(x, t) > 0.9
    True
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
    """Kernel logistic regression by random features or landmarks.

    Minimises ``sum of log losses + alpha / 2 |coef|^2`` over the features, the intercepts free; of several classes the
    losses are those of softmax.

    Parameters
    ----------
    kind, n_components, gamma, random_state
        As of `KernelRidge`.
    alpha : float
        Strength of the penalty.
    solver : {"auto", "newton", "descent"}
        Newton's steps of one pass each reach the optimum of two classes and cost the square of `n_components` a row and
        pass. Descent costs what the features cost, in single precision, and one pass is enough where rows are hundreds
        for each feature. "auto" takes Newton's where there are two classes and they are cheap.
    max_iter : int
        Most passes.
    tol : float, optional
        Newton: squared decrement, relative to the objective, that ends the steps, by default 1e-10. Descent: share by
        which a pass lowers the loss that is too little for another, by default 1e-3.
    n_workers, client
        As for every learner, see `scalable.models.estimator.Estimator`.

    Attributes
    ----------
    solver_ : str
        Which solver it was.
    n_iter_ : int
        Passes.

    Examples
    --------
    >>> import numpy as np
    >>> from scalable.kernel_approximation import KernelClassifier
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> y = x[:, 0] ** 2 > 0.5
    >>> KernelClassifier("structured", 64, random_state=0).fit(x, y).score(x, y) > 0.9
    True
    """

    solver: str = "auto"
    max_iter: int = 50
    tol: float | None = None
    _kept: ClassVar[tuple[str, ...]] = (*OnePassClassifier._kept, "solver_")

    def _arrays(
        self, executor: Executor, reader: BlockReader, encoder: NumberEncoder, target: TargetSummary
    ) -> Arrays:
        weight = np.asarray(target.class_weight)
        self.solver_ = self._chosen(target.rows, len(weight))
        if len(weight) == 2:
            weight = weights_of_two(target)
        if self.solver_ == "descent":
            loss = _log_loss(weight)
            tol = KernelSVC.tol if self.tol is None else self.tol
            return self._descended(executor, reader, target.rows, weight, loss, self.max_iter, tol)
        drawn = self._drawn(executor, reader)
        names = tuple(f"{EVERY_COLUMN} {k}" for k in range(self.n_components))
        coef = np.r_[np.zeros(self.n_components), np.log(weight[1] / weight[0])]
        newton = FeatureNewton(
            names, EXACT_TOL if self.tol is None else self.tol, False, tuple(encoder.needed), drawn
        )
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

    def _chosen(self, n_rows: int, n_classes: int = 2) -> str:
        """Return the solver for so many rows and classes."""
        if self.solver not in SOLVERS:
            raise UsageError(f"solver must be {', '.join(map(repr, SOLVERS))}, not {self.solver!r}")
        if self.solver == "newton" and n_classes > 2:
            raise UsageError(f"solver='newton' learns two classes, not {n_classes}: take 'descent' or 'auto'")
        cheap = n_classes == 2 and n_rows * int(self.n_components) ** 2 <= CHEAP
        return self.solver if self.solver != "auto" else "newton" if cheap else "descent"

    @staticmethod
    def scores(arrays: Arrays, block: Block) -> NDArray[np.float64]:
        """Return logarithms of what probabilities are in proportion to, shape (n_classes, n_rows)."""
        return _Kernel._of_classes(arrays, block)


class KernelSVC(Classifier, _Kernel):
    """Support vector machine over random features, by descent: no number of rows is too many.

    Minimises ``sum of losses + alpha / 2 |coef|^2`` over the features, the intercept free. Two classes only.

    Parameters
    ----------
    kind, n_components, gamma, random_state
        As of `KernelRidge`.
    loss : {"squared_hinge", "hinge"}
        What is minimised.
    alpha : float
        Strength of the penalty, one over scikit-learn's ``C``.
    max_iter : int
        Most passes.
    tol : float
        Share by which a pass lowers the loss that is too little for another.
    n_workers, client
        As for every learner, see `scalable.models.estimator.Estimator`.

    Attributes
    ----------
    n_iter_ : int
        Passes.

    Examples
    --------
    >>> import numpy as np
    >>> from scalable.kernel_approximation import KernelSVC
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> y = x[:, 0] ** 2 > 0.5
    >>> KernelSVC("structured", 64, random_state=0).fit(x, y).score(x, y) > 0.9
    True
    """

    loss: str = "squared_hinge"
    max_iter: int = 50
    tol: float = 1e-3
    _link = "margin"

    def _arrays(
        self, executor: Executor, reader: BlockReader, encoder: NumberEncoder, target: TargetSummary
    ) -> Arrays:
        if self.loss not in BENDS:
            raise UsageError(f"loss must be {' or '.join(map(repr, BENDS))}, not {self.loss!r}")
        loss = LossOfSteps(LOSSES[self.loss].code, BENDS[self.loss], (0.0,))
        weight = weights_of_two(target)
        return self._descended(executor, reader, target.rows, weight, loss, self.max_iter, self.tol)

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return the scores of rows, shape (n_rows,): positive for the second class."""
        return np.asarray(self._scores(X)[1])

    @staticmethod
    def scores(arrays: Arrays, block: Block) -> NDArray[np.float64]:
        """Return margins beside zeros, shape (2, n_rows)."""
        return _Kernel._of_classes(arrays, block)

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: two classes only."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


def _log_loss(weight: NDArray[np.float64]) -> LossOfSteps:
    """Return the loss of two classes, or of several, whose weights are given."""
    if len(weight) == 2:
        return LossOfSteps(None, 0.25, (float(np.log(weight[1] / weight[0])),))
    shares = np.maximum(weight, 1e-12 * weight.sum()) / weight.sum()
    return LossOfSteps(None, OF_SOFTMAX, tuple(np.log(shares).tolist()))


def weights_of_two(target: TargetSummary) -> NDArray[np.float64]:
    """Return the weights of two classes; a DataError where there are more, or one has none."""
    weight = np.asarray(target.class_weight)
    if len(weight) != 2 or weight.min() <= 0.0:
        raise DataError(
            f"Only binary classification is supported: the target has {int((weight > 0.0).sum())} class(es) of any "
            "weight, two are needed"
        )
    return weight
