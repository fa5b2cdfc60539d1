"""`KernelClassifier` by descent from Parquet beside `RBFSampler` and `SGDClassifier`: the time to one held-out loss.

scikit-learn's pair passes over the same rows, batch by batch, until its held-out log loss is as low or the passes end;
then its ratio is a lower bound, and `reached` is false. Beside them a linear model, and the exact kernel on few rows.
"""

from __future__ import annotations

import tempfile
import time
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import data_gen
from scalable import ParquetSource
from scalable.kernel_approximation import KernelClassifier
from scalable.linear import LogisticRegression

FEATURES, BATCH, PASSES, HELD_OUT = 4_096, 16_384, 3, 50_000
EXACT_ROWS = 20_000


def measure(rows: int) -> dict[str, Any]:
    """Return seconds, losses and AUC of the kernel, of scikit-learn's pair, and of a linear model."""
    with tempfile.TemporaryDirectory() as scratch:
        data_gen.generate("physics", rows=rows, out=f"{scratch}/rows", seed=0)
        source = ParquetSource(f"{scratch}/rows", target="signal")
        names = list(source.feature_names)
        table = data_gen.rows("physics", 10**9, 10**9 + HELD_OUT).select([*names, "signal"])
        X, y = np.column_stack([table[name].to_numpy() for name in names]), table["signal"].to_numpy()
        held = table.drop_columns(["signal"])
        KernelClassifier("structured", 32, solver="descent").fit(X[:5_000], y[:5_000])  # compiles
        found: dict[str, Any] = {"rows": rows, "features": FEATURES}
        for name, model in (
            ("scalable", KernelClassifier("structured", FEATURES, solver="descent", random_state=0)),
            ("linear", LogisticRegression()),
        ):
            begin = time.perf_counter()
            model.fit(source)
            seconds = time.perf_counter() - begin
            p = model.predict_proba(held)[:, 1]
            found[name] = {"seconds": seconds, "log_loss": log_loss(y, p), "auc": roc_auc_score(y, p)}
        some = data_gen.rows("physics", 0, EXACT_ROWS)
        exact = SVC().fit(
            np.column_stack([some[name].to_numpy() for name in names]), some["signal"].to_numpy()
        )
        found["exact"] = {"rows": EXACT_ROWS, "auc": roc_auc_score(y, exact.decision_function(X))}
        goal = found["scalable"]["log_loss"]
        scale = StandardScaler().fit(X)
        gamma = 1.0 / len(names)
        sampler = RBFSampler(gamma=gamma, n_components=FEATURES, random_state=0).fit(X[:10])
        held_features = sampler.transform(scale.transform(X))
        learner, spent, passes, reached = (
            SGDClassifier(loss="log_loss", alpha=1e-6, average=True),
            0.0,
            0,
            False,
        )
        while passes < PASSES and not reached:
            begin = time.perf_counter()
            for path in source.paths:
                for batch in pq.ParquetFile(path).iter_batches(BATCH, columns=[*names, "signal"]):
                    some = np.column_stack([batch[name].to_numpy() for name in names])
                    features = sampler.transform(scale.transform(some))
                    learner.partial_fit(features, batch["signal"].to_numpy(), classes=[0, 1])
            spent += time.perf_counter() - begin
            passes += 1
            p = learner.predict_proba(held_features)[:, 1]
            reached = log_loss(y, p) <= goal
        found["scikit-learn"] = {
            "seconds": spent, "passes": passes, "reached": reached,
            "log_loss": log_loss(y, p), "auc": roc_auc_score(y, p),
        }  # fmt: skip
    found["times_as_fast"] = spent / found["scalable"]["seconds"]
    found["us_per_row"] = found["scalable"]["seconds"] / rows * 1e6
    return found
