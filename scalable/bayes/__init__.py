"""Probability models: naive Bayes, and linear models with a posterior, on data of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scalable.lazy import lazily

if TYPE_CHECKING:
    from scalable.bayes.categorical_nb import CategoricalNB
    from scalable.bayes.gaussian_nb import GaussianNB
    from scalable.bayes.laplace import BayesianLogisticRegression
    from scalable.bayes.linear_posterior import BayesianRidge

__all__ = ["BayesianLogisticRegression", "BayesianRidge", "CategoricalNB", "GaussianNB"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "scalable.bayes.categorical_nb": ("CategoricalNB",),
        "scalable.bayes.gaussian_nb": ("GaussianNB",),
        "scalable.bayes.laplace": ("BayesianLogisticRegression",),
        "scalable.bayes.linear_posterior": ("BayesianRidge",),
    },
)
