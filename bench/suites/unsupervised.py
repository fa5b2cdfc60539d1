"""Learners without a target, and of kernel features: a row's share of a pass or two."""

from __future__ import annotations

import warnings

import numpy as np

from .median import named, ns_per_row

try:
    from bench.data import scaled
    from scalable.decomposition import PCA, TruncatedSVD
    from scalable.kernel_approximation import KernelClassifier
    from scalable.mixture import GaussianMixture, KMeans

    missing = ""
except ImportError as error:  # a commit from before these
    missing = str(error)

REPEATS = 5


def setup(*params: object) -> None:
    """Skip what an old commit lacks; asv calls this before each benchmark of the file."""
    if missing:
        raise NotImplementedError(missing)


class Passes:
    """Rows of 28 columns in memory, eight clusters; a fit of two iterations."""

    params = (["pca", "truncated_svd", "kmeans", "mixture_full", "mixture_diag"],)
    param_names = ("learner",)
    unit = "ns/row"
    timeout = 300

    def setup(self, learner: str) -> None:
        random = np.random.default_rng(0)
        centers = 2.0 * random.normal(size=(8, 28))
        n = scaled(200_000)
        self.rows = centers[random.integers(0, 8, n)] + random.normal(size=(n, 28))
        mixture = {"n_components": 8, "max_iter": 2, "tol": 0.0, "random_state": 0}
        self.model = {
            "pca": PCA(8),
            "truncated_svd": TruncatedSVD(8, n_iter=1, random_state=0),
            "kmeans": KMeans(8, init=centers, max_iter=2, tol=0.0),
            "mixture_full": GaussianMixture(**mixture),
            "mixture_diag": GaussianMixture(**mixture, covariance_type="diag"),
        }[learner]
        self._fit()

    def _fit(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.model.fit(self.rows)

    @named("Fit without a target")
    def track_fit(self, learner: str) -> float:
        return ns_per_row(self._fit, len(self.rows), REPEATS)


class KernelPass:
    """A pass of descent over 28 columns in memory, 512 features a row; the sample's curvature is a part of it."""

    params = (["fourier", "structured", "nystroem"],)
    param_names = ("kind",)
    unit = "ns/row"
    timeout = 300

    def setup(self, kind: str) -> None:
        random = np.random.default_rng(0)
        self.rows = random.normal(size=(scaled(200_000), 28))
        self.label = np.sin(self.rows[:, 0]) + self.rows[:, 1] * self.rows[:, 2] > 0.0
        self.model = KernelClassifier(kind, 512, solver="descent", max_iter=1, random_state=0)
        self._fit()

    def _fit(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.model.fit(self.rows, self.label)

    @named("Fit of kernel features")
    def track_fit(self, kind: str) -> float:
        return ns_per_row(self._fit, len(self.rows), REPEATS)
