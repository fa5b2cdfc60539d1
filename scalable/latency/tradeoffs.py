"""Faster answers for a little quality: cheaper forms of one forest, measured in both; the best within a budget."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable import progress
from scalable.data.parquet import ParquetSource
from scalable.errors import DataError, ModelError, UsageError
from scalable.execution.threads import Threads
from scalable.inference.cascade import Cascade, is_binary
from scalable.inference.forest.compiled import CompiledForest
from scalable.inference.forest.formats.lightgbm_trees import forest_of_text
from scalable.inference.linear_row import CompiledLinear
from scalable.lapack import cho_factor, cho_solve
from scalable.latency.chosen import write_chosen
from scalable.latency.laboratory import sample_rows
from scalable.latency.timing import quantiles_us
from scalable.models.predictors import load_model
from scalable.models.store import read_model
from scalable.monitor.profile import learn_profile, save_profile
from scalable.registry.address import model_path
from scalable.storage.replace import check_writable, explained

SHARES = (2, 4, 8, 16)  # of the trees, as fractions
SURE = (0.5, 0.8)  # shares of the rows that the first of a cascade answers
DISTILLED = ((8, 31), (16, 15))  # fractions of the trees, leaves
MOST_ROWS, TIMED_ROWS, TURN, LEAST_ROWS = 40_000, 2000, 100, 200
RIDGE, NEWTON_STEPS = 1e-6, 20


@dataclass(frozen=True)
class Choice:
    """One way to answer, with what it was measured to be: `model` has `predict_one`, `predict` and `save`.

    A forest with trees of its own has LightGBM's `text` of them.
    """

    name: str
    model: Any
    log_loss: float
    auc: float
    p50_us: float
    p99_us: float
    text: str | None = None

    def row(self) -> dict[str, Any]:
        """Return it as a row of the ``tradeoffs`` section."""
        return {
            "name": self.name,
            "log_loss": self.log_loss,
            "auc": self.auc,
            "p50_us": self.p50_us,
            "p99_us": self.p99_us,
        }


def budget_us(text: str) -> float:
    """Return a time such as ``2us`` or ``1.5ms`` in microseconds.

    Raises
    ------
    UsageError
        It is none.
    """
    found = re.fullmatch(r"(\d+\.?\d*|\.\d+)(ns|us|ms)", text.strip())
    if found is None or float(found[1]) == 0.0:
        raise UsageError(f"a budget is a time such as 2us or 1.5ms, found {text!r}")
    return float(found[1]) * {"ns": 1e-3, "us": 1.0, "ms": 1e3}[found[2]]


def best_within(choices: list[Choice], most_us: float) -> Choice:
    """Return the choice of the least log loss whose median is within a budget.

    Raises
    ------
    UsageError
        None is.
    """
    within = [choice for choice in choices if choice.p50_us <= most_us]
    if not within:
        fastest = min(choices, key=lambda choice: choice.p50_us)
        raise UsageError(
            f"nothing answers within {most_us:g} us; the fastest, {fastest.name}, takes {fastest.p50_us:.2f} us"
        )
    return min(within, key=lambda choice: choice.log_loss)


def measure_tradeoffs(
    forest: CompiledForest, X: NDArray[Any], y: NDArray[np.float64], seed: int = 0
) -> list[Choice]:
    """Make cheaper forms of a forest on one half of some labelled rows, and measure them on the other.

    Prefixes of its trees; its first trees in front of the others, or a linear model in front of all, which answer the
    rows whose score is far from 0; and smaller forests that learn the big one's probabilities.

    Parameters
    ----------
    forest : CompiledForest
        Of one probability.
    X : float64 (n_rows, n_features)
        The matrix that it splits.
    y : float64 (n_rows,)
        Labels, 0 and 1; no row should have been learned from.
    seed : int
        Of the halves.

    Returns
    -------
    list of Choice
        The forest itself first.

    Raises
    ------
    UsageError
        The forest is not of one probability.
    DataError
        Too few rows, or of one class.
    """
    whole = forest.iterations()
    if not is_binary(whole):
        raise UsageError("trade-offs are made for forests of one probability, a sum of trees under a sigmoid")
    order = np.random.default_rng(seed).permutation(len(X))
    half = len(order) // 2
    learn, held = order[:half], order[half:]
    if half < LEAST_ROWS or min(len(np.unique(y[learn])), len(np.unique(y[held]))) < 2:
        raise DataError(f"trade-offs need {2 * LEAST_ROWS} labelled rows or more, of both classes")
    X = np.ascontiguousarray(X, np.float64)
    with progress.task("trade-offs", unit="forms"):
        texts = _distilled(whole, X[learn])
        small = {name: _under_names_of(whole, text) for name, text in texts.items()}
        made = {"the forest": whole, **_prefixes(whole), **_cascades(whole, X[learn], y[learn]), **small}
        times = _times(made, X[held[:TIMED_ROWS]])
        return [
            Choice(
                name,
                model,
                *_quality(np.asarray(model.predict(X[held])), y[held]),
                *times[name],
                texts.get(name),
            )
            for name, model in made.items()
        ]


def compare(
    model: Any, data: str, target: str, budget: str | None, write: Path | None, *, seed: int = 0,
    max_rows: int = MOST_ROWS,
) -> dict[str, Any]:  # fmt: skip
    """Return the ``tradeoffs`` section of a saved forest on labelled rows; mark and write what a budget chooses.

    Parameters
    ----------
    model, data
        As for `scalable.latency.laboratory.load`.
    target : str
        The labels' column.
    budget : str or None
        See `budget_us`.
    write : Path or None
        Where to save the choice: a model directory with the encoder of the model, which takes the same raw rows, and
        with these rows as the reference of ``scalable monitor``. Of a forest in a file of its own, which has no
        encoder: a file that ``load_model`` and ``load_compiled`` read, or for a cascade a directory that
        ``load_cascade`` does.

    Raises
    ------
    UsageError
        Something is at `write` already, or its folder is missing; the budget is no time, or too short; the model is no
        forest of two classes.
    ModelError
        The model cannot be read, or nothing can be written to `write`.
    """
    most_us = None if budget is None else budget_us(budget)
    if write is not None:  # before minutes of measuring
        if write.exists():
            raise UsageError(f"{write}: is there already; choose another --write")
        if not write.parent.is_dir():
            raise UsageError(f"there is no folder {write.parent}; make it, or choose another --write")
        with explained(ModelError, write, "choose another --write"):
            check_writable(write)
    place = model_path(model)
    predictor, stored = load_model(place), read_model(place) if place.is_dir() else None
    if predictor.task != "binary" or not hasattr(predictor, "matrix"):
        raise UsageError(f"{model}: trade-offs are made for forests of two classes, this is {predictor.kind}")
    source = ParquetSource(data, target=target, features=predictor.needed)
    names = [*predictor.needed, target]
    taken = sample_rows(
        names,
        lambda raw: np.c_[
            predictor.matrix(raw), predictor.encode_label(raw.arrays[target], target, raw.where)
        ],
        source,
        min(max_rows, MOST_ROWS),
    )
    choices = measure_tradeoffs(predictor.forest, taken[:, :-1], taken[:, -1], seed)  # type: ignore[attr-defined]
    rows = [choice.row() for choice in choices]
    if most_us is not None:
        best = best_within(choices, most_us)
        rows[choices.index(best)]["chosen"] = True
        if write is not None and stored is not None:
            write_chosen(write, stored, best.model, best.text)
            save_profile(write, learn_profile(load_model(write), source, Threads()))
        elif write is not None:
            best.model.save(write)
    return {"dataset": {"name": data, "rows": source.n_rows}, "tradeoffs": rows}


def _prefixes(forest: CompiledForest) -> dict[str, Any]:
    counts = dict.fromkeys(max(1, forest.n_iterations // share) for share in SHARES)
    return {f"first {n} trees": forest.iterations(n) for n in counts if n < forest.n_iterations}


def _cascades(forest: CompiledForest, X: NDArray[np.float64], y: NDArray[np.float64]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    n = max(1, forest.n_iterations // 8)
    fronts: list[tuple[str, Any, CompiledForest]] = [("linear model, then the forest", _linear(X, y), forest)]
    if n < forest.n_iterations:
        rest = forest.iterations(forest.n_iterations - n, n)
        fronts.insert(0, (f"{n} trees, then the others", forest.iterations(n), rest))
    for name, first, second in fronts:
        size = np.abs(np.asarray(first.predict(X, raw_score=True), np.float64))
        for share in SURE:
            margin = float(np.nanquantile(size, 1.0 - share))
            made[f"{name} for {1 - share:.0%}"] = Cascade(first, second, margin)
    return made


def _linear(X: NDArray[np.float64], y: NDArray[np.float64]) -> CompiledLinear:
    """Return a logistic model of standardised columns, missing ones at their mean, by Newton's method."""
    with np.errstate(all="ignore"):
        mean = np.nan_to_num(np.nanmean(np.where(np.isfinite(X), X, np.nan), axis=0))
        filled = np.where(np.isfinite(X), X, mean)
    scale = np.where(filled.std(axis=0) > 0, filled.std(axis=0), 1.0)
    Z = np.c_[(filled - mean) / scale, np.ones(len(X))]
    w = np.zeros(Z.shape[1])
    for _ in range(NEWTON_STEPS):
        p = 1.0 / (1.0 + np.exp(-np.clip(Z @ w, -30, 30)))
        curve = (Z * (p * (1 - p))[:, None]).T @ Z + RIDGE * len(X) * np.eye(len(w))
        w += cho_solve(cho_factor(curve), Z.T @ (y - p) - RIDGE * len(X) * w)
    coef = w[:-1] / scale
    return CompiledLinear(coef, np.array([w[-1] - coef @ mean]), "logistic")


def _distilled(forest: CompiledForest, X: NDArray[np.float64]) -> dict[str, str]:
    """Return LightGBM's texts of smaller forests that it grows on the probabilities of the big one."""
    import lightgbm as lgb

    taught, made = np.asarray(forest.predict(X)), {}
    for share, leaves in DISTILLED:
        n = max(1, forest.n_iterations // share)
        params = {"objective": "cross_entropy", "num_leaves": leaves, "learning_rate": min(0.3, 12.0 / n + 0.05),
                  "verbose": -1, "num_threads": 1, "min_data_in_leaf": 10}  # fmt: skip
        booster = lgb.train(params, lgb.Dataset(X, taught), n)
        made[f"distilled, {n} trees of {leaves} leaves"] = booster.model_to_string()
    return made


def _under_names_of(forest: CompiledForest, text: str) -> CompiledForest:
    """Return a distilled forest that finds its columns by the names of the big one's, and has its classes."""
    told = forest.forest
    named = replace(
        forest_of_text(text), feature_names=told.feature_names, objective=told.objective, labels=told.labels
    )
    return CompiledForest(named)


def _quality(p: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Return log loss and AUC."""
    clipped = np.clip(p, 1e-15, 1 - 1e-15)
    loss = float(-np.mean(np.where(y > 0, np.log(clipped), np.log1p(-clipped))))
    _, place, count = np.unique(p, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]  # ties share the middle of their ranks
    n = y.sum()
    return loss, float((ranks[y > 0].sum() - n * (n + 1) / 2) / (n * (len(y) - n)))


def _times(made: dict[str, Any], X: NDArray[np.float64]) -> dict[str, tuple[float, float]]:
    """Return median and 99th percentile of one-row calls; the forms take turns, so that a busy moment meets all."""
    rows = list(X)
    taken = {name: np.empty(len(rows), np.int64) for name in made}
    for one in made.values():
        one.predict_one(rows[0])
    for first in range(0, len(rows), TURN):
        for name, one in made.items():
            answer, into = one.predict_one, taken[name]
            for k in range(first, min(first + TURN, len(rows))):
                start = time.perf_counter_ns()
                answer(rows[k])
                into[k] = time.perf_counter_ns() - start
    found = {name: quantiles_us(ns) for name, ns in taken.items()}
    return {name: (each["p50_us"], each.get("p99_us", each["max_us"])) for name, each in found.items()}
