"""The learners, a line each: the command line, saved models and tests find them here."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from scalable.errors import ModelError


@dataclass(frozen=True, slots=True)
class Learner:
    """One learner.

    Attributes
    ----------
    module, classes : str, dict
        Where its estimators are; `classes` maps a task ("classification", "regression", "ranking"; "transform" without
        a target) to a class.
    summary : str
        One line for ``--list``.
    fit_names : tuple of str
        Options that are arguments of ``fit`` and not of the estimator.
    open_ended : str
        What its help says of options beyond those listed; nothing where there are none.
    """

    module: str
    classes: dict[str, str]
    summary: str
    fit_names: tuple[str, ...] = ()
    open_ended: str = ""

    @property
    def supervised(self) -> bool:
        """Whether it learns from a target."""
        return "transform" not in self.classes

    def estimator(self, task: str) -> Any:
        """Return the class of a task."""
        return getattr(importlib.import_module(self.module), self.classes[task])


LINEAR = "scalable.linear"
LEARNERS = {
    "logistic": Learner(
        LINEAR, {"classification": "LogisticRegression"}, "logistic regression, by Newton or descent"
    ),
    "linear": Learner(
        LINEAR, {"regression": "LinearRegression"}, "least squares, exact, from one streamed pass"
    ),
    "ridge": Learner(LINEAR, {"regression": "Ridge"}, "least squares with an L2 penalty, from one pass"),
    "lasso": Learner(LINEAR, {"regression": "Lasso"}, "least squares with an L1 penalty, from one pass"),
    "elastic-net": Learner(
        LINEAR, {"regression": "ElasticNet"}, "least squares with both penalties, from one pass"
    ),
    "elastic-net-cv": Learner(
        LINEAR, {"regression": "ElasticNetCV"}, "the whole penalty path, cross-validated in one pass"
    ),
    "svc": Learner(LINEAR, {"classification": "LinearSVC"}, "linear support vectors (hinge losses)"),
    "sgd": Learner(
        LINEAR,
        {"classification": "SGDClassifier", "regression": "SGDRegressor"},
        "stochastic descent with a choice of losses, penalties and optimizers",
    ),
    "lightgbm": Learner(
        "scalable.boosting",
        {"classification": "LGBMClassifier", "regression": "LGBMRegressor", "ranking": "LGBMRanker"},
        "LightGBM, streamed and distributed; every LightGBM parameter passes through",
        ("valid", "early_stopping", "checkpoint_every", "on_loss"),
        "and every parameter of LightGBM under any of its names, such as --lambda-l2 10 --objective tweedie",
    ),
    "gaussian-nb": Learner(
        "scalable.bayes", {"classification": "GaussianNB"}, "Gaussian naive Bayes, from one streamed pass"
    ),
    "categorical-nb": Learner(
        "scalable.bayes",
        {"classification": "CategoricalNB"},
        "naive Bayes of text and other categories, mixed with numbers, from two streamed passes",
    ),
    "bayesian-ridge": Learner(
        "scalable.bayes",
        {"regression": "BayesianRidge"},
        "Bayesian least squares with the penalty learned, from one pass",
    ),
    "bayesian-logistic": Learner(
        "scalable.bayes",
        {"classification": "BayesianLogisticRegression"},
        "logistic regression with its posterior (Laplace), a pass a step",
    ),
    "kernel-ridge": Learner(
        "scalable.kernel_approximation",
        {"regression": "KernelRidge"},
        "kernel ridge by random features or landmarks, from one pass",
    ),
    "kernel-logistic": Learner(
        "scalable.kernel_approximation",
        {"classification": "KernelClassifier"},
        "kernel logistic regression by random features or landmarks",
    ),
    "kernel-svc": Learner(
        "scalable.kernel_approximation",
        {"classification": "KernelSVC"},
        "support vector machine of random features, by descent",
    ),
    "kernel-features": Learner(
        "scalable.kernel_approximation",
        {"transform": "KernelFeatures"},
        "random features or landmarks of the Gaussian kernel",
    ),
    "mlp": Learner(
        "scalable.neural",
        {"classification": "MLPClassifier", "regression": "MLPRegressor"},
        "multilayer perceptron with embeddings of categories, by steps over shuffled batches",
    ),
    "pca": Learner("scalable.decomposition", {"transform": "PCA"}, "principal components, from one pass"),
    "truncated-svd": Learner(
        "scalable.decomposition",
        {"transform": "TruncatedSVD"},
        "singular vectors of numbers and categories, randomised, a pass an iteration",
    ),
    "kmeans": Learner("scalable.mixture", {"transform": "KMeans"}, "k-means, a pass an iteration"),
    "gaussian-mixture": Learner(
        "scalable.mixture", {"transform": "GaussianMixture"}, "Gaussian mixture by EM, a pass a step"
    ),
}


def class_named(name: str) -> Any:
    """Return the estimator class of a name.

    Raises
    ------
    ModelError
        When no learner has it.
    """
    for learner in LEARNERS.values():
        for task, each in learner.classes.items():
            if each == name:
                return learner.estimator(task)
    raise ModelError(f"was saved by {name}, which this version does not know; update scalable")
