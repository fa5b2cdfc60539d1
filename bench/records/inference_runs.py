r"""The recorded runs behind docs/inference.md; each writes one results document.

    python -m bench.records.inference_runs latency --out docs/results/inference_latency.json \
        --engines lightgbm,lightgbm-fast,scalable,lignum,lignum-compiled,daal4py
    python -m bench.records.inference_runs latency --out docs/results/inference_latency_million.json \
        --engines lightgbm,scalable,lignum-compiled,daal4py --rows 1000000 --repeats 1
    python -m bench.records.inference_runs latency --out docs/results/inference_latency_others.json \
        --engines lightgbm,scalable,onnxruntime,treelite,tl2cgen --repeats 2
    python -m bench.records.inference_runs latency --out docs/results/inference_latency_lleaves.json \
        --engines lightgbm,scalable,lleaves --repeats 2
    python -m bench.records.inference_runs linear  --out docs/results/inference_linear.json
    python -m bench.records.inference_runs threads --out docs/results/inference_threads.json --repeats 21
    python -m bench.records.inference_runs tail    --out docs/results/inference_tail.json
    python -m bench.records.inference_runs steps   --out docs/results/inference_steps.json
    python -m bench.records.inference_runs grid    --out docs/results/inference_grid.json
    python -m bench.records.inference_runs load    --out docs/results/inference_load.json
    python -m bench.records.inference_runs open    --out docs/results/inference_open_loop.json
    python -m bench.records.inference_runs score   --out docs/results/inference_scoring.json
    python -m bench.records.inference_runs exact   --out docs/results/inference_exactness.json --models 200

Models are trained on synthetic rows once and kept in ``--cache``.
"""

from __future__ import annotations

import argparse
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from bench.records.inference_models import GRID, MAIN, model_text, rows_of
from bench.records.inference_single import run_load, run_score, run_tail, run_threads
from scalable.latency import engines as registry
from scalable.latency import latency, open_loop
from scalable.report.document import new_results
from scalable.report.results import write_results


def run_latency(cache: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure engines on the main model, all batch sizes, one and two threads."""
    text, X = model_text(MAIN, cache), rows_of(MAIN[2], options.rows, 1)
    names = options.engines.split(",") if options.engines else registry.PEERS
    sizes = [size for size in (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000) if size <= options.rows]
    found = latency.measure(
        text, X, names, single_rows=5000, batch_sizes=sizes, repeats=options.repeats, threads=(1, 2)
    )
    return {"latency": found}


def run_linear(cache: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure a logistic model of 28 features, ours and scikit-learn's."""
    model = registry.LinearFacts(np.linspace(-1, 1, MAIN[2])[None], np.zeros(1), "logistic")
    X = rows_of(MAIN[2], options.rows, 1)
    found = latency.measure(model, X, None, single_rows=20_000, batch_sizes=(1000, options.rows), repeats=9)
    return {"latency": found}


def run_steps(cache: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure ours with each optimisation switched on one after another."""
    text, X = model_text(MAIN, cache), rows_of(MAIN[2], 20_000, 4)
    steps = tuple(registry.STEPS)
    found = latency.measure(text, X, steps, single_rows=100, batch_sizes=(1000,), repeats=15)
    return {"latency": found, "waterfall": latency.waterfall(found)}


def run_grid(cache: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure LightGBM and ours over the grid of model sizes."""
    table = []
    for shape in GRID:
        X = rows_of(shape[2], 6000, 2)
        names = ("lightgbm", "lightgbm-fast", "scalable")
        found = latency.measure(
            model_text(shape, cache), X, names, single_rows=600, batch_sizes=(1000, 5000), repeats=3
        )
        for batch, rows in found.items():
            table += [
                {"trees": shape[0], "leaves": shape[1], "features": shape[2], "batch": int(batch), **{
                    key: row[key] for key in ("engine", "p50_us", "p99_us", "min_us", "bit_equal") if key in row}}
                for row in rows
            ]  # fmt: skip
        print(shape, flush=True)
    return {"grid": table, "grid_by_shape": by_shape(table)}


def by_shape(table: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row a model: our microseconds a row, and how many times those `Booster.predict` takes."""
    rows: dict[tuple[int, ...], dict[str, Any]] = {}
    theirs = {(*_shape(r), r["batch"]): r["p50_us"] for r in table if r["engine"] == "lightgbm"}
    for r in table:
        if r["engine"] == "scalable":
            row = rows.setdefault(
                _shape(r), dict(zip(("trees", "leaves", "features"), _shape(r), strict=True))
            )
            row[f"us_{r['batch']}"] = r["p50_us"] / r["batch"]
            row[f"times_{r['batch']}"] = theirs[*_shape(r), r["batch"]] / r["p50_us"]
    return [rows[shape] for shape in sorted(rows)]


def _shape(row: dict[str, Any]) -> tuple[int, ...]:
    return row["trees"], row["leaves"], row["features"]


def run_open(cache: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure under Poisson arrivals."""
    text, X = model_text(MAIN, cache), rows_of(MAIN[2], 4000, 3)
    return {
        "open_loop": open_loop.measure_open_loop(
            text, X, ("lightgbm", "lightgbm-fast", "scalable"), requests=2000
        )
    }


def run_exact(cache: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Compare engines with LightGBM, bit for bit, on random models and rows on the edges of their decisions."""
    from bench import forests

    names = options.engines.split(",") if options.engines else ["scalable", "lightgbm-fast"]
    found: dict[str, Any] = {
        name: {
            "models": 0,
            "exact_models": 0,
            "rows": 0,
            "wrong_rows": 0,
            "largest_relative": 0.0,
            "refused": {},
        }
        for name in names
    }
    for seed in range(options.seed, options.seed + options.models):
        booster, _ = forests.random_booster(seed)
        X = np.ascontiguousarray(forests.edge_rows(booster, seed))
        expected = booster.predict(X)
        for name in names:
            try:
                got = registry.build(name, registry.describe(booster.model_to_string())).predict(X)
            except Exception as error:  # a peer may refuse a model in any way it likes
                reasons = found[name]["refused"]
                reasons[str(error)[:80]] = reasons.get(str(error)[:80], 0) + 1
                continue
            got = got.reshape(expected.shape)
            same = (got == expected) | (np.isnan(got) & np.isnan(expected))
            wrong = int((~same).reshape(len(X), -1).any(axis=1).sum())
            figures = found[name]
            figures["models"] += 1
            figures["exact_models"] += wrong == 0
            figures["rows"] += len(X)
            figures["wrong_rows"] += wrong
            figures["largest_relative"] = max(figures["largest_relative"], _relative(got, expected))
    table = [{"engine": name, **figures} for name, figures in found.items()]
    return {"exactness": table, "exactness_of": {"seed": options.seed, "models": options.models}}


def _relative(got: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference of finite values, relative to the larger of 1e-6 and the expected value."""
    finite = np.isfinite(got) & np.isfinite(expected)
    scale = np.maximum(np.abs(expected[finite]), 1e-6)
    return float((np.abs(got[finite] - expected[finite]) / scale).max(initial=0.0))


RUNS = {
    "latency": run_latency,
    "linear": run_linear,
    "threads": run_threads,
    "tail": run_tail,
    "steps": run_steps,
    "grid": run_grid,
    "load": run_load,
    "open": run_open,
    "score": run_score,
    "exact": run_exact,
}


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", choices=RUNS)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(".inference-models"))
    parser.add_argument("--engines", help="comma-separated; by default all peers")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--seed", type=int, default=20261122)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    before = os.getloadavg()[0]
    sections = RUNS[options.run](options.cache.resolve(), options)
    after = os.getloadavg()[0]
    notes = [
        f"Load average {before:.1f} before and {after:.1f} after, on {os.cpu_count()} shared processors."
    ]
    given = [
        f" --{name} {value}"
        for name in ("engines", "rows", "repeats", "models", "seed")
        if (value := getattr(options, name)) != parser.get_default(name)
    ]
    command = f"python -m bench.records.inference_runs {options.run}{''.join(given)}"
    write_results(options.out, new_results("inference", sections | {"notes": notes}, options.seed, command))


if __name__ == "__main__":
    main()
