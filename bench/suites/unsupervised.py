"""Learners without a target: a row's share of one pass."""

from __future__ import annotations

import warnings

import numpy as np

from .median import named, ns_per_row

try:
    from bench.data import scaled
    from scalable.decomposition import PCA, TruncatedSVD
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
