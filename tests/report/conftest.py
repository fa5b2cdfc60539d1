"""A results document whose every number is really computed, on small data."""

from __future__ import annotations

import time

import lightgbm as lgb
import numpy as np
import psutil
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from scalable.evaluate import evaluate_predictions
from scalable.report.document import new_results
from scalable.report.sections import BAYES


def _draw(rows, seed):
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 6))
    logit = -3.5 + x @ [1.0, -0.8, 0.5, 0.3, 0.0, 0.0] + 0.9 * x[:, 0] * x[:, 4]
    truth = 1 / (1 + np.exp(-logit))
    return x, (random.random(rows) < truth).astype(float), truth


def _stage(name, rows, work):
    start = time.perf_counter()
    value = work()
    seconds = time.perf_counter() - start
    memory = psutil.Process().memory_info().rss
    return value, {
        "name": name, "seconds": seconds, "rows": rows, "rows_per_second": rows / seconds, "peak_memory_bytes": memory,
    }  # fmt: skip


def _latency(engine, predict, x, batch, calls, **extra):
    times = []
    for call in range(calls):
        part = x[call * batch % (len(x) - batch) :][:batch]
        start = time.perf_counter()
        predict(part)
        times.append((time.perf_counter() - start) * 1e6)
    levels = [*np.linspace(0, 0.99, 199), 0.995, 0.999, 1.0]
    p50, p90, p99 = np.quantile(times, [0.5, 0.9, 0.99])
    return {
        "engine": engine, "batch": batch, "p50_us": p50, "p90_us": p90, "p99_us": p99, "calls": calls, "threads": 1,
        "rows_per_second": batch / np.mean(times) * 1e6, **extra,
        "quantiles_us": np.column_stack([levels, np.quantile(times, levels)]).tolist(),
    }  # fmt: skip


def compute_quickstart(rows=20_000, trees=20, calls=200, seed=7):
    """Train, evaluate and time two models; what `scalable quickstart` does, in small."""
    (x, y, _), generated = _stage("generate", rows, lambda: _draw(rows, seed))
    linear, trained = _stage("train logistic", rows, lambda: LogisticRegression().fit(x, y))
    parameters = {"objective": "binary", "num_leaves": 15, "num_threads": 1, "verbosity": -1}
    booster, boosted = _stage("train lightgbm", rows, lambda: lgb.train(parameters, lgb.Dataset(x, y), trees))
    held_x, held_y, held_truth = _draw(rows, seed + 1)
    scores = {
        "logistic": linear.predict_proba(held_x)[:, 1],
        "lightgbm": booster.predict(held_x),
        BAYES: held_truth,
    }
    reports, evaluated = _stage(
        "evaluate", 3 * rows, lambda: {name: evaluate_predictions(held_y, p) for name, p in scores.items()}
    )
    bare = lgb.Booster(model_str=booster.model_to_string())
    engines = {
        "Booster.predict": (lambda part: booster.predict(part, num_threads=1), {"baseline": True}),
        "Booster.predict, raw": (lambda part: bare.predict(part, raw_score=True, num_threads=1), {}),
        "logistic": (lambda part: linear.predict_proba(part), {}),
    }
    expected = booster.predict(held_x[:1000])
    found = 1 / (1 + np.exp(-bare.predict(held_x[:1000], raw_score=True)))
    engines["Booster.predict, raw"][1].update(
        bit_equal=bool(np.array_equal(expected, found)), max_abs_difference=float(abs(expected - found).max())
    )
    latency = {
        str(batch): [
            _latency(name, predict, held_x, batch, calls, **extra)
            for name, (predict, extra) in engines.items()
        ]
        for batch in (1, 1000)
    }
    sections = {
        "dataset": {
            "name": "small", "rows": 2 * rows, "files": 1, "bytes": x.nbytes, "train_rows": rows, "held_out_rows": rows,
            "truth": {"auc": reports[BAYES]["auc"], "log_loss": reports[BAYES]["log_loss"]},
        },
        "stages": [generated, trained, boosted, evaluated],
        "quality": [{"model": name, **report} for name, report in reports.items()],
        "latency": latency,
    }  # fmt: skip
    return new_results(
        "quickstart", sections, seed=seed, command=f"scalable quickstart --rows {rows} --seed {seed}"
    )


@pytest.fixture(scope="session")
def quickstart():
    """One small quickstart, computed once for the session."""
    return compute_quickstart()


def compute_versus(rows=8_000, seed=3):
    """Race a few scikit-learn learners, and record how long sorting takes at growing sizes."""
    x, y, _ = _draw(rows, seed)
    held_x, held_y, _ = _draw(rows, seed + 1)
    contenders = {
        "lbfgs": lambda: LogisticRegression().fit(x, y),
        "newton": lambda: LogisticRegression(solver="newton-cholesky").fit(x, y),
        "naive Bayes": lambda: GaussianNB().fit(x, y),
    }
    peers = []
    for name, work in contenders.items():
        samples = []
        for _ in range(5):
            start = time.perf_counter()
            model = work()
            samples.append(time.perf_counter() - start)
        report = evaluate_predictions(held_y, model.predict_proba(held_x)[:, 1])
        quality = {metric: report[metric] for metric in ("auc", "log_loss")}
        peers.append({
            "job": "linear", "peer": name, "status": "ok", "ours": name == "newton", "rows": rows, "threads": 1,
            "seconds": float(np.median(samples)), "samples": samples, "quality": quality, "cache": "warm",
            "peak_memory_bytes": psutil.Process().memory_info().rss, "version": sklearn.__version__,
        })  # fmt: skip
    try:
        LogisticRegression(solver="no-such-solver").fit(x, y)
    except ValueError as error:
        peers.append(
            {"job": "linear", "peer": "broken", "status": "failed", "message": str(error).splitlines()[0]}
        )
    scaling = []
    for size in (10_000, 100_000, 1_000_000):
        values = np.random.default_rng(seed).random(size)
        _, stage = _stage("sort", size, lambda values=values: np.sort(values))
        scaling.append({"job": "sort", "workers": 1, **stage})
    steps, matrix = [], np.random.default_rng(seed).random((400, 400))
    for name, work in (
        ("row by row", lambda: [sum(row) for row in matrix.tolist()]),
        ("one call a row", lambda: [row.sum() for row in matrix]),
        ("one call", lambda: matrix.sum(axis=1)),
    ):
        work()
        _, stage = _stage(name, 400, work)
        steps.append({"name": name, "value": stage["seconds"] * 1e6})
    sections = {
        "peers": peers, "scaling": scaling, "waterfall": [{"title": "Row sums", "unit": "µs", "steps": steps}],
    }  # fmt: skip
    return new_results("versus", sections, seed=seed, command="scalable versus --profile quick")


@pytest.fixture(scope="session")
def versus():
    """One small race."""
    return compute_versus()
