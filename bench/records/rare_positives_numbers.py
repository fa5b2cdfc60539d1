"""Leaves where positives are rare: held-out log loss over the base rate's, by the least hessian of a leaf.

    python -m bench.records.rare_positives_numbers --rows 2e5 1e6 --out docs/results/rare_positives.json

`fraud` at several rates, 100 trees of 31 leaves, every seed another world of cards and merchants; the held-out rows are
the next ones of the same world, as many as a quarter of the training rows. 0 is LightGBM's own bound, twenty rows;
"default" is what this package does unless told otherwise: a bound on leaves, and one on the gain of a split.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from scalable.report.document import new_results
from scalable.report.results import write_results

BOUNDS = (0.0, 1.0, 3.0, 10.0, 30.0)
RATES = (0.002, 0.005, 0.02)


def measure(rows: int, rate: float, seed: int) -> dict[str, Any]:
    """Return the held-out log loss of each bound and of the base rate."""
    import data_gen
    from scalable import ParquetSource
    from scalable.boosting import LGBMClassifier
    from scalable.evaluate import evaluate_predictions

    with tempfile.TemporaryDirectory() as home:
        data_gen.generate("fraud", rows=rows, out=f"{home}/rows", seed=seed, prevalence=rate, world=seed)
        held = data_gen.rows("fraud", rows, rows + rows // 4, seed=seed, prevalence=rate, world=seed)
        truth = held["is_fraud"].to_numpy().astype(np.float64)
        source = ParquetSource(f"{home}/rows", target="is_fraud")
        found: dict[str, Any] = {"rows": rows, "rate": rate, "seed": seed, "losses": {}}
        contenders = {f"{bound:g}": {"min_sum_hessian_in_leaf": bound or 1e-3} for bound in BOUNDS}
        for name, given in {**contenders, "default": {}}.items():
            model = LGBMClassifier(n_estimators=100, num_leaves=31, n_workers=1, verbosity=-1, **given).fit(
                source
            )
            p = model.predict_proba(held.drop_columns(["is_fraud"]))[:, 1]
            report = evaluate_predictions(truth, np.clip(p, 1e-15, 1 - 1e-15))
            found["losses"][name] = report["log_loss"]
        base = np.full(len(truth), truth.mean())
        found["base_rate"] = evaluate_predictions(truth, base)["log_loss"]
    return found


def main() -> None:
    """Measure all and write the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=float, nargs="+", default=[2e5, 1e6])
    parser.add_argument("--rates", type=float, nargs="+", default=list(RATES))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    runs = []
    for rows in options.rows:
        for rate in options.rates:
            runs += [measure(int(rows), rate, seed) for seed in range(options.seeds)]
            of = runs[-options.seeds :]
            means = {
                b: float(np.mean([r["losses"][b] / r["base_rate"] for r in of])) for b in of[0]["losses"]
            }
            worst = {b: float(np.max([r["losses"][b] / r["base_rate"] for r in of])) for b in of[0]["losses"]}
            print(f"{rows:9,.0f} rows, rate {rate}: mean {means}, worst {worst}", flush=True)
            write_results(options.out, new_results("rare positives", {"rare_positives": {"runs": runs}}))


if __name__ == "__main__":
    main()
