"""Logistic regression, streamed."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import special
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets

from scalable.errors import DataError, UsageError
from scalable.execution.executors import get_executor
from scalable.execution.rounds import run_fold
from scalable.inference.linear import LinearModel
from scalable.kernels import losses, optimizers, penalties
from scalable.linear.base import LinearEstimator
from scalable.linear.descent import DescentFold
from scalable.linear.learn import ONE_PASS_ROWS, DescentPlan, descend
from scalable.linear.newton import minimize
from scalable.linear.prepare import Prepared, prepare
from scalable.linear.task import Objective, penalty_factors

NEWTON_COLUMNS = 512
WARM_ROWS = ONE_PASS_ROWS  # from here on a pass of descent saves more Newton passes than it costs


class LogisticRegression(ClassifierMixin, LinearEstimator):
    """Logistic regression on data of any size.

    Minimises ``C * sum(w_i * log(1 + exp(-s_i z_i))) + penalty`` as scikit-learn does, except that by
    default the penalty is on coefficients per standard deviation, so the units of columns do not matter.

    Parameters
    ----------
    penalty : {"l2", "l1", "elasticnet", None}
        Kind of penalty.
    C : float
        Inverse strength of the penalty; ``inf`` for none.
    l1_ratio : float, optional
        Share of l1 in ``"elasticnet"``.
    fit_intercept : bool
        Whether to learn an intercept.
    class_weight : dict, "balanced" or None
        Weights of the classes.
    solver : {"auto", "newton", "sgd"}
        ``"newton"`` (exact; one pass per step) up to some hundreds of columns, else ``"sgd"``.
    max_iter : int, optional
        Most passes over the data; by default 25 for newton, and for sgd one pass from 10^6 rows on.
    tol : float
        Relative decrease of the objective below which training stops.
    optimizer : {"normalized", "adagrad", "adam", "ftrl", "sgd"}
        How sgd steps; the default needs no learning rate (after Ross, Mineiro & Langford,
        "Normalized online learning", 2013).
    learning_rate : float, optional
        Step size of sgd; each optimizer has its own default.
    batch_size : int
        Rows a step of sgd, at most 1,024.
    average : bool
        Whether sgd returns an average of its iterates.
    n_lanes : int, optional
        Models sgd trains side by side; part of the result, unlike the number of workers.
    standardize : bool
        Whether penalties apply per standard deviation (else per raw unit).
    one_hot : int
        Most levels of a category that get a coefficient each.
    n_bins : int
        Coefficients that all other categories share by hashing, a power of two.
    categorical : sequence of str, optional
        Integer columns to treat as categories.
    log : bool, "auto" or sequence of str
        Whether heavy-tailed columns are log-transformed; not done to plain arrays unless asked for.
    missing : {"indicator", "error"}
        Missing values become the mean and an indicator, or an error.
    random_state : int, optional
        Seed of the order of rows.
    n_workers : int, optional
        Threads; by default all processors. Does not change the result.
    client : distributed.Client or str, optional
        Dask cluster to train on; not kept by clones and pickles.

    Attributes
    ----------
    classes_ : array of shape (2,)
    coef_ : array of shape (1, n_terms)
        In raw units; one per feature when all are plain numbers, otherwise as named by `coef_names_`.
    intercept_ : array of shape (1,)
    n_iter_ : int
        Passes over the data (a warm start included).

    Examples
    --------
    >>> model = LogisticRegression().fit(ParquetSource("adult.parquet", target="label"))  # doctest: +SKIP
    """

    _classify = True

    def __init__(
        self,
        penalty: str | None = "l2",
        *,
        C: float = 1.0,
        l1_ratio: float | None = None,
        fit_intercept: bool = True,
        class_weight: Any = None,
        solver: str = "auto",
        max_iter: int | None = None,
        tol: float | None = None,
        optimizer: str = "normalized",
        learning_rate: float | None = None,
        batch_size: int = 256,
        average: bool = True,
        n_lanes: int | None = None,
        standardize: bool = True,
        one_hot: int = 64,
        n_bins: int = 2**18,
        categorical: Any = None,
        log: Any = "auto",
        missing: str = "indicator",
        random_state: int | None = None,
        n_workers: int | None = None,
        client: Any = None,
    ) -> None:
        self.penalty = penalty
        self.C = C
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.average = average
        self.n_lanes = n_lanes
        self.standardize = standardize
        self.one_hot = one_hot
        self.n_bins = n_bins
        self.categorical = categorical
        self.log = log
        self.missing = missing
        self.random_state = random_state
        self.n_workers = n_workers
        self.client = client

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train.

        Parameters
        ----------
        X : ParquetSource, or array or frame of shape (n_rows, n_features)
            Features; a source brings its own target and weights.
        y : array of shape (n_rows,), optional
            Labels of any type.
        sample_weight : array of shape (n_rows,), optional
            Non-negative weights.

        Raises
        ------
        DataError
            When the target has not exactly two values, or a column is unusable.
        """
        self._check_parameters()
        if y is not None:
            check_classification_targets(y)
        source, plain = self._source(X, y, sample_weight)
        seed = 0 if self.random_state is None else int(self.random_state)
        with get_executor(self.client, self.n_workers) as executor:
            ready = prepare(source, executor, self._options(plain), True, seed)
            check_two_classes(ready, str(source.target))
            objective = self._objective(ready)
            solver = self._solver(ready)
            start = np.zeros((1, len(objective.factors)))
            if self.fit_intercept:
                start[0, ready.encoder.n_columns] = prior_log_odds(ready, objective)
            coef = self._solve(solver, objective, start, ready, seed)
        self.solver_ = solver
        self._publish(LinearModel(ready.encoder, coef, "logistic"))
        if y is not None:
            self.classes_ = np.unique(np.asarray(y))  # of the dtype that was given
        return self

    def _solve(
        self, solver: str, objective: Objective, start: NDArray[np.float64], ready: Prepared, seed: int
    ) -> NDArray[np.float64]:
        passes = 0
        coef = start
        rows = ready.target.rows
        if solver == "sgd" or rows >= WARM_ROWS:
            warm = solver == "newton"
            plan = DescentPlan(
                self.n_lanes, 1 if warm else self.max_iter, self.tol or 1e-4, self.average, seed
            )
            fold = DescentFold(objective, *self._optimizer(ready, objective), min(1024, int(self.batch_size)))
            result = descend(fold, coef, ready.reader, ready.executor, plan, "train logistic")
            coef, passes = result.coef, result.passes
            self.progressive_loss_ = result.progressive_loss
        if solver == "newton":

            def evaluate(fold: Any) -> Any:
                return run_fold(ready.executor, fold, ready.reader, label="train logistic (newton)")

            found = minimize(objective, coef, evaluate, self.max_iter or 25, self.tol or 1e-9)
            coef, passes = found.coef, passes + found.passes
        self.n_iter_ = passes
        return coef

    def _optimizer(self, ready: Prepared, objective: Objective) -> tuple[int, NDArray[np.float64]]:
        code, rate = optimizers.OPTIMIZERS[self.optimizer]
        rate = self.learning_rate or rate
        if code == optimizers.NORMALIZED:
            rate /= np.sqrt(ready.encoder.n_columns + ready.encoder.n_ids + 1)
        return code, optimizers.hyper_parameters(rate, l1=objective.l1, l2=objective.l2)

    def _objective(self, ready: Prepared) -> Objective:
        target = ready.target
        by_class = class_weights(self.class_weight, target.classes, target.class_weight)
        total = float(np.dot(by_class, target.class_weight)) if by_class else target.weight
        if not total > 0.0:
            raise DataError("class weights leave no row any weight; check class_weight")
        strength = 0.0 if np.isinf(self.C) else 1.0 / (float(self.C) * total)
        l1, l2 = penalties.shares(self.penalty, self.l1_ratio)
        return Objective(
            losses.LOG,
            1.0,
            1,
            l1 * strength,
            l2 * strength,
            penalty_factors(ready.encoder, self.standardize),
            total / target.rows,
            by_class,
            fit_intercept=bool(self.fit_intercept),
            rows=target.rows,
        )

    def _solver(self, ready: Prepared) -> str:
        if self.solver != "auto":
            return self.solver
        encoder = ready.encoder
        small = not encoder.hashed and encoder.n_columns + encoder.n_slots <= NEWTON_COLUMNS
        return "newton" if small else "sgd"

    def _check_parameters(self) -> None:
        choices = (
            ("penalty", self.penalty, (*penalties.PENALTIES, None)),
            ("solver", self.solver, ("auto", "newton", "sgd")),
            ("optimizer", self.optimizer, tuple(optimizers.OPTIMIZERS)),
            ("missing", self.missing, ("indicator", "error")),
        )
        for name, value, allowed in choices:
            if value not in allowed:
                raise UsageError(f"{name} must be one of {', '.join(map(repr, allowed))}, not {value!r}")
        if not float(self.C) > 0.0:
            raise UsageError(f"C must be positive, not {self.C!r}")

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return the log-odds of the second class, shape (n_rows,)."""
        return np.asarray(self._scores(X)[0])

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probabilities of both classes, shape (n_rows, 2)."""
        p = special.expit(self._scores(X)[0])
        return np.column_stack([1.0 - p, p])

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the logarithms of `predict_proba`."""
        z = self._scores(X)[0]
        return np.column_stack([special.log_expit(-z), special.log_expit(z)])

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the more probable class of each row, shape (n_rows,)."""
        scores = self._scores(X)[0]
        return np.asarray(self.classes_[(scores > 0.0).astype(np.intp)])


def check_two_classes(ready: Prepared, name: str) -> None:
    """Raise a DataError unless the target has exactly two values."""
    classes = ready.target.classes
    if len(classes) < 2:
        raise DataError(
            f"target column {name!r} has one class only ({classes[0]!r}): "
            "a classifier needs two; check the target or take more rows"
        )
    if len(classes) > 2:
        shown = ", ".join(repr(c) for c in classes[:5])
        raise DataError(
            f"target column {name!r} is not two-valued: it has {len(classes)} values "
            f"({shown}{', ...' if len(classes) > 5 else ''}); choose a two-valued target"
        )


def class_weights(given: Any, classes: tuple[Any, ...], totals: list[float]) -> tuple[float, ...]:
    """Return a factor a class, or nothing for none.

    Raises
    ------
    UsageError
        When `given` is neither None, "balanced" nor a dict of known classes.
    """
    if given is None:
        return ()
    if isinstance(given, str) and given == "balanced":
        whole = sum(totals)
        return tuple(whole / (len(classes) * total) if total > 0.0 else 0.0 for total in totals)
    if isinstance(given, dict):
        unknown = [label for label in given if label not in classes]
        if unknown:
            raise UsageError(
                f"class_weight names {unknown[0]!r}, which is not among the classes {list(classes)}"
            )
        return tuple(float(given.get(label, 1.0)) for label in classes)
    raise UsageError(f"class_weight must be None, 'balanced' or a dict, not {given!r}")


def prior_log_odds(ready: Prepared, objective: Objective) -> float:
    """Return the log-odds of the weighted classes: where the intercept of rare positives starts."""
    totals = np.asarray(ready.target.class_weight)
    if objective.class_weight:
        totals = totals * np.asarray(objective.class_weight)
    low, high = np.maximum(totals, 1e-12 * max(totals.sum(), 1e-300))
    return float(np.log(high / low))
