"""The stages of the quickstart: each returns what the summary and the report show of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import data_gen
from scalable import ParquetSource, progress
from scalable.cli.screen.meter import Stage, measured
from scalable.cli.train.ahead import compiled_beside, fit_generated
from scalable.cli.train.bayes import bayes_report, expected_scores
from scalable.data.source import Source
from scalable.errors import DataError, UsageError
from scalable.execution.threads import Threads
from scalable.storage.files import total_size

DATASET, TARGET = "fraud", "is_fraud"
TREES: dict[str, Any] = {
    "n_estimators": 40,
    "num_leaves": 63,
    "learning_rate": 0.15,
    # One row in 200 is fraud: leaves need this much evidence, or they learn noise.
    "min_child_samples": 500,
    "min_sum_hessian_in_leaf": 2.0,
    "lambda_l2": 10.0,
    "force_row_wise": True,  # a quarter less time here than what LightGBM picks for one thread
}
# Two workers then exchange sums a fifth as often, with the engine that can.
TOGETHER = {"leaves_per_round": 8}
LEAST_ROWS = 20_000  # below, a held-out shard may hold no fraud at all
HELD_OUT = 5
LATENCY_ROWS = 150_000


def travel(out: Path, rows: int, seed: int) -> dict[str, Any]:
    """Run all stages and return the sections of the results document.

    Raises
    ------
    UsageError
        When `rows` is too small for five shards with both classes in each, or something else is in the way.
    """
    if rows < LEAST_ROWS:
        raise UsageError(f"--rows {rows}: the quickstart needs at least {LEAST_ROWS:,} rows")
    made = ("logistic.model", "lightgbm.model", "results.json", "report.html")
    there = [name for name in made if (out / name).exists()]
    if there and not _is_ours(out / "data"):
        raise UsageError(f"{out / there[0]}: is there already, of something else; choose another --out")
    stages: list[Stage] = []
    with compiled_beside(fit_generated, DATASET, TARGET, _engine(rows)):
        manifest = generate(out / "data", rows, seed, stages)
        source = ParquetSource(out / "data", target=TARGET)
        train, held_out = source.split(every=HELD_OUT)
        quality = [
            train_logistic(train, held_out, out / "logistic.model", seed, stages),
            train_trees(train, held_out, out / "lightgbm.model", trees_of(_engine(rows)), seed, stages),
        ]
    quality.append(best_possible(held_out, out / "data", stages))
    latency = compare_latency(held_out, out / "lightgbm.model", seed, stages)
    size = total_size(source.paths)
    return {
        "dataset": {
            "name": DATASET,
            "rows": rows,
            "files": len(source.paths),
            "bytes": size,
            "train_rows": train.n_rows,
            "held_out_rows": held_out.n_rows,
            "truth": expected_scores(manifest),
        },
        "stages": [stage.to_json() for stage in stages],
        "quality": quality,
        "latency": latency,
    }


def trees_of(engine: str) -> dict[str, Any]:
    """Return the parameters of the trees of an engine."""
    return TREES | (TOGETHER if engine == "native" else {})


def _engine(rows: int) -> str:
    """Return which engine will grow the trees (`scalable.boosting.engine` decides, once it has seen the rows)."""
    from data_gen.datasets import recipe
    from scalable.boosting.engine import lightgbm_is_faster

    n_columns = len(recipe(DATASET, 0, {}).columns) - 1
    learned_from = rows * (HELD_OUT - 1) // HELD_OUT
    return "lightgbm" if lightgbm_is_faster(learned_from, n_columns, TREES["n_estimators"]) else "native"


@contextmanager
def _stage(stages: list[Stage], name: str, rows: int) -> Iterator[None]:
    with measured(name, rows) as stage:
        yield
    stages.append(stage)


def generate(directory: Path, rows: int, seed: int, stages: list[Stage]) -> Any:
    """Write the dataset; one of an earlier quickstart is replaced, anything else refused."""
    with _stage(stages, "generate", rows), progress.task(f"generate {DATASET}", rows) as task:
        return data_gen.generate(
            DATASET, rows=rows, out=directory, seed=seed, overwrite=_is_ours(directory), progress=task.reach
        )


def _is_ours(data: Path) -> bool:
    """Return whether an earlier quickstart has written its dataset there, or began to."""
    return (data / "manifest.json").is_file() or (data / ".generation").is_dir()


def train_logistic(
    train: Source, held_out: Source, path: Path, seed: int, stages: list[Stage]
) -> dict[str, Any]:
    """Train and evaluate a logistic model on threads of this process."""
    from scalable.linear import LogisticRegression

    with _stage(stages, "train logistic", train.n_rows):
        LogisticRegression(random_state=seed).fit(train).save(path)
    return _evaluate("logistic", path, held_out, stages)


def train_trees(
    train: Source, held_out: Source, path: Path, params: dict[str, Any], seed: int, stages: list[Stage]
) -> dict[str, Any]:
    """Train and evaluate a boosted forest on a local Dask cluster of two worker processes."""
    from scalable.boosting import LGBMClassifier
    from scalable.deferred import leave_lightgbm_alone
    from scalable.execution.local import local_cluster

    with ExitStack() as stack:
        with _stage(stages, "start Dask, 2 workers", 0), progress.task("start Dask cluster"):
            client = stack.enter_context(local_cluster(2))
            client.run(leave_lightgbm_alone)
        with _stage(stages, "train trees", train.n_rows):
            # n_workers, or few rows would be left to this process
            model = LGBMClassifier(**params, random_state=seed, client=client, n_workers=2)
            model.fit(train).save(path)
    return _evaluate("trees", path, held_out, stages)


def best_possible(held_out: Source, directory: Path, stages: list[Stage]) -> dict[str, Any]:
    """Score the true probabilities on the held-out rows."""
    from scalable.scoring.evaluate import quality_row

    with _stage(stages, "evaluate truth", held_out.n_rows):
        report = bayes_report(held_out, directory, Threads())
    if report is None:
        raise DataError(f"{directory}/manifest.json: does not describe the dataset just written")
    return quality_row("Bayes-optimal", report)


def _evaluate(name: str, path: Path, held_out: Source, stages: list[Stage]) -> dict[str, Any]:
    from scalable.models.predictors import load_model
    from scalable.scoring.evaluate import evaluate_model, quality_row

    predictor = load_model(path)
    with _stage(stages, f"evaluate {name}", held_out.n_rows):
        report = evaluate_model(predictor, held_out, Threads())
    return quality_row(name, report)


def compare_latency(held_out: Source, path: Path, seed: int, stages: list[Stage]) -> Any:
    """Compare the compiled forest with ``Booster.predict`` on held-out rows."""
    from scalable.latency import laboratory, latency
    from scalable.models.predictors import load_model

    predictor: Any = load_model(path)  # a forest
    rows = laboratory.sample_rows(predictor.needed, predictor.matrix, held_out, LATENCY_ROWS)
    with _stage(stages, "compare latency", len(rows)):
        return latency.measure(path, rows, seed=seed)
