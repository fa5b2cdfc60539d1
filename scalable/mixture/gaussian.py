"""Gaussian mixtures by expectation and maximisation, one pass a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import DensityMixin
from sklearn.utils.validation import check_is_fitted

from scalable import lapack
from scalable.data.block import Block
from scalable.errors import UsageError
from scalable.execution.executors import Executor
from scalable.execution.iterate import iterate
from scalable.execution.reader import BlockReader
from scalable.mixture.covariances import SHAPES
from scalable.mixture.em import Density, Expect, ExpectMaximize, Mixture, logsumexp, maximized
from scalable.mixture.kmeans import nearest_to
from scalable.mixture.start import best_of, first_centers, sample_rows, seeds
from scalable.models.arrays.model import Arrays
from scalable.models.arrays.smoothing import hidden_columns
from scalable.models.arrays.unsupervised import Unsupervised
from scalable.models.links import apply_link
from scalable.models.parameters import numbers_of

LLOYD = 10  # of k-means on the sample, before EM
SHAPE_CODES = tuple(SHAPES)


class GaussianMixture(DensityMixin, Unsupervised):
    """Gaussian mixture as scikit-learn's, over rows that need not fit in memory.

    Parameters
    ----------
    n_components : int
        Normal distributions in the mixture.
    covariance_type : {"full", "diag", "tied"}
        A matrix a component, only its diagonal, or one matrix for all.
    tol : float
        Ends when the mean log likelihood of a row gains less.
    reg_covar : float
        Added to every variance.
    max_iter : int
        Most passes a start.
    n_init : int
        Starts; the one that ends with the greatest likelihood is kept.
    weights_init, means_init, precisions_init : array, optional
        Where to start, of the shapes of ``weights_``, ``means_`` and of inverse covariances; by default k-means on a
        sample of the whole dataset.
    random_state : int, RandomState or None
        Seed of the starts.
    n_workers, client
        As for every learner, see `scalable.models.estimator.Estimator`.

    Attributes
    ----------
    weights_ : float64 array of shape (n_components,)
    means_ : float64 array of shape (n_components, n_features)
    covariances_ : float64 array of shape (n_components, p, p), (n_components, p) or, tied, (p, p)
    lower_bound_ : float
        Mean log likelihood of a row before the last step.
    history_ : list of float
        The same for every step; it never falls but by rounding.
    n_iter_, converged_

    Examples
    --------
    >>> import numpy as np
    >>> from scalable.mixture import GaussianMixture
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> x[100:] += 10.0
    >>> model = GaussianMixture(n_components=2, random_state=0).fit(x)
    >>> model.weights_.round(2)
    array([0.5, 0.5])
    """

    n_components: int = 1
    covariance_type: str = "full"
    tol: float = 1e-3
    reg_covar: float = 1e-6
    max_iter: int = 100
    n_init: int = 1
    weights_init: Any = None
    means_init: Any = None
    precisions_init: Any = None
    random_state: Any = None
    _positional: ClassVar[tuple[str, ...]] = ("n_components",)
    _link = "softmax"
    _kept = ("n_iter_", "converged_", "history_")

    def _arrays(self, executor: Executor, reader: BlockReader) -> Arrays:
        assert reader.encoder is not None
        names = tuple(reader.encoder.needed)
        if self.covariance_type not in SHAPES:
            raise UsageError(f"covariance_type must be {', '.join(SHAPES)}, not {self.covariance_type!r}")
        algorithm = ExpectMaximize(self.covariance_type, names, self.tol, self.reg_covar)
        drawn = seeds(self.random_state, self.n_init)
        rows = sample_rows(executor, reader, drawn[0])
        with np.errstate(over="ignore"):
            variances = rows.var(axis=0)
        words = hidden_columns(names, variances, self.reg_covar, "reg_covar", self.reg_covar)
        if words is not None:
            self._tell(words)
        starts = (self._start(rows, names, seed) for seed in drawn)
        best = best_of(
            iterate(
                executor, algorithm, start, reader, max_iter=self.max_iter, stage="mixture",
                label="train GaussianMixture",
            ) for start in starts
        )  # fmt: skip
        self.n_iter_, self.history_ = best.n_iter, [-loss for loss in best.history]
        late = f"{best.n_iter} passes ended before the likelihood stood still; raise max_iter or tol"
        self._report(None if best.converged else late)
        return {
            "weights": best.state.weights,
            "means": best.state.means,
            "covariances": best.state.covariances,
            "lower_bound": np.array(-best.state.objective),
            "shape": np.array(SHAPE_CODES.index(self.covariance_type)),
        }

    def _start(self, rows: NDArray[np.float64], names: tuple[str, ...], seed: int) -> Mixture:
        """Return the mixture of the clusters of a sample, or what was given in its place."""
        random, x = np.random.RandomState(seed), np.ascontiguousarray(rows.T)
        centers = first_centers(rows, self.n_components, random)
        for _ in range(LLOYD):
            nearest, _ = nearest_to(x, centers)
            for k in np.unique(nearest):
                centers[k] = rows[nearest == k].mean(axis=0)
        nearest, _ = nearest_to(x, centers)
        empty = Mixture(weights=np.full(self.n_components, 1.0), means=centers)
        sums = Expect(empty, self.covariance_type, names).init()
        for k, center in enumerate(centers):
            apart = x[:, nearest == k] - center[:, None]
            sums.counts[k], sums.first[k] = apart.shape[1], apart.sum(axis=1)
            sums.second[k] = (apart**2).sum(axis=1) if sums.second.ndim == 2 else apart @ apart.T
        found = maximized(sums, centers, self.covariance_type, self.reg_covar)
        shapes = {"weights": found.weights, "means": found.means, "precisions": found.covariances}
        given: dict[str, Any] = {}
        for name, like in shapes.items():
            value = getattr(self, f"{name}_init")
            if value is not None:
                given[name] = numbers_of(f"{name}_init", value)
                if given[name].shape != like.shape:
                    raise UsageError(f"{name}_init must have shape {like.shape}, not {given[name].shape}")
        if "precisions" in given:
            precisions = given.pop("precisions")
            diagonal = SHAPES[self.covariance_type].diagonal
            given["covariances"] = 1.0 / precisions if diagonal else lapack.inv(precisions)
        return Mixture(**{
            "weights": found.weights, "means": found.means, "covariances": found.covariances, **given
        })  # fmt: skip

    @staticmethod
    def ready(arrays: Arrays) -> Mapping[str, Any]:
        """Return the arrays, and the densities that are made of them once."""
        mixture = Mixture(weights=arrays["weights"], means=arrays["means"], covariances=arrays["covariances"])
        return {**arrays, "density": Density.of(mixture, SHAPE_CODES[int(arrays["shape"])])}

    @staticmethod
    def scores(arrays: Mapping[str, Any], block: Block) -> NDArray[np.float64]:
        """Return the log joint probability of components and rows, shape (n_components, n_rows)."""
        found: NDArray[np.float64] = arrays["density"].log_joint(np.asarray(block.columns, np.float64))
        return found

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probability of each component, shape (n_rows, n_components)."""
        check_is_fitted(self)
        return apply_link("softmax", self._scores(X))

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Return the most probable component of each row, shape (n_rows,)."""
        check_is_fitted(self)
        return np.asarray(self._scores(X).argmax(axis=0), np.int64)

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Return the log likelihood of each row, shape (n_rows,)."""
        check_is_fitted(self)
        return logsumexp(self._scores(X))

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean log likelihood of a row."""
        return float(self.score_samples(X).mean())

    def bic(self, X: Any) -> float:
        """Return the Bayesian information criterion of rows (Schwarz, 1978): lower is better."""
        likelihoods = self.score_samples(X)
        return float(-2.0 * likelihoods.sum() + self._n_parameters() * np.log(len(likelihoods)))

    def aic(self, X: Any) -> float:
        """Return Akaike's information criterion of rows: lower is better."""
        return float(-2.0 * self.score_samples(X).sum() + 2.0 * self._n_parameters())

    def _n_parameters(self) -> int:
        k, p = self.model_.arrays["means"].shape
        return int(k - 1 + k * p + SHAPES[self.covariance_type].parameters(k, p))

    @property
    def precisions_(self) -> NDArray[np.float64]:
        """Inverse covariances, of the shape of ``covariances_``."""
        covariances = self.model_.arrays["covariances"]
        return 1.0 / covariances if SHAPES[self.covariance_type].diagonal else lapack.inv(covariances)
