"""How does one explain a model to a regulator?

By reasons that add up to the score, that hold when tested by changing the row, and that a person can follow; what is
not known is said too (Lundberg et al., 2020; Rudin, 2019).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from bench.answers.measures import auc
from scalable.boosting import LGBMClassifier
from scalable.data.table import TableSource
from scalable.linear import LogisticRegression

QUICK, STANDARD = 20_000, 100_000
CLAIM = (
    "Contributions add up to the score and equal the library's, the first reason moves a refusal far more than the "
    "last, and a scorecard of a few lines is nearly as good where effects add up."
)
ANSWER = """With reasons that add up to the score and can be checked. For a forest of {trees} trees the
contributions of {columns} columns added up to the log odds within {gap:.1e} and were the library's within
{apart:.1e}. Of {refused:,} refused rows, setting the column of the first reason to its median undid
{first:.0%} of the refusals, that of the last {last:.0%}: the reason codes say what mattered to the model. Two
forests that differ in their seed only gave the same first reason to {stable:.0%} of the rows, and that is what
a second person would be told. A scorecard of {lines} lines, one weight a column, had an AUC of {card:.3f}
where the forest had {forest:.3f}: where effects add up it costs little to be read by everybody. A column that
stands for a forbidden one ({proxy:.2f} correlated) got {proxy_share:.0%} of the contributions although the
forbidden one was not used: leaving it out proves nothing."""
LINKS = ("scalable/models/explanation.py", "scalable/cli/serve/explain.py", "scalable/cli/serve/card.py")
TREES, COLUMNS, SHARE = 60, 6, 0.1


def measure(rows: int) -> dict[str, Any]:
    """Explain a forest, test its reasons, and hold it against a scorecard."""
    train, held = (_rows(np.random.default_rng(seed), rows) for seed in (0, 1))
    names = [f"x{j}" for j in range(COLUMNS)]
    forests = [_forest(train, names, seed) for seed in (0, 1)]
    predictor = forests[0].predictor()
    x = held.select(names)
    explained = predictor.explain(x)
    score = predictor.predict(x)
    odds = np.log(score) - np.log1p(-score)
    found: dict[str, Any] = {"trees": TREES, "columns": COLUMNS, "lines": COLUMNS}
    found["gap"] = float(np.abs(explained.scores[:, 0] - odds).max())
    few = np.column_stack([x[name].to_numpy() for name in names])[:500]
    theirs = forests[0].booster_.predict(few, pred_contrib=True)[:, :-1]
    found["apart"] = float(np.abs(theirs - explained.contributions[:500, 0]).max())

    limit = np.quantile(score, 1.0 - SHARE)
    refused = np.flatnonzero(score >= limit)
    given = explained.contributions[refused, 0]
    order = np.argsort(-given, axis=1)  # what raised the score most comes first
    found["refused"] = len(refused)
    for name, place in (("first", 0), ("last", -1)):
        found[name] = _undone(predictor, x, refused, order[:, place], limit)
    other = forests[1].predictor().explain(x).contributions[refused, 0]
    found["stable"] = float((other.argmax(axis=1) == order[:, 0]).mean())
    card = LogisticRegression().fit(TableSource(train, "y", names))
    y = held["y"].to_numpy()
    found |= {"card": auc(y, card.predict_proba(x)[:, 1]), "forest": auc(y, score)}
    size = np.abs(explained.contributions[:, 0]).mean(axis=0)
    found["shares"] = (size / size.sum()).tolist()
    found["proxy_share"] = found["shares"][COLUMNS - 1]
    found["proxy"] = float(np.corrcoef(held["forbidden"].to_numpy(), held[names[-1]].to_numpy())[0, 1])
    return found


def _rows(random: Any, n: int) -> Any:
    x = random.normal(size=(n, COLUMNS))
    forbidden = random.normal(size=n)
    x[:, -1] = 0.9 * forbidden + np.sqrt(1.0 - 0.81) * x[:, -1]
    z = x[:, 0] - 0.8 * x[:, 1] + 0.6 * x[:, 2] + 0.4 * x[:, 3] + 0.7 * forbidden - 1.0
    y = (random.random(n) < 1.0 / (1.0 + np.exp(-z))).astype(np.int64)
    return pa.table({**{f"x{j}": x[:, j] for j in range(COLUMNS)}, "forbidden": forbidden, "y": y})


def _forest(train: Any, names: list[str], seed: int) -> Any:
    options = {
        "n_estimators": TREES,
        "num_leaves": 15,
        "subsample": 0.7,
        "subsample_freq": 1,
        "colsample_bytree": 0.7,
    }
    return LGBMClassifier(**options, random_state=seed, n_workers=1).fit(TableSource(train, "y", names))


def _undone(predictor: Any, x: Any, rows: Any, columns: Any, limit: float) -> float:
    """Return the share of rows that fall below the limit once the chosen column of each is at its median."""
    values = np.column_stack([x[name].to_numpy() for name in x.column_names])
    changed = values[rows]
    changed[np.arange(len(rows)), columns] = np.median(values, axis=0)[columns]
    table = pa.table(dict(zip(x.column_names, changed.T, strict=True)))
    return float((predictor.predict(table) < limit).mean())


def holds(found: dict[str, Any]) -> bool:
    """Adds up, is tested, and the scorecard is near."""
    return bool(
        max(found["gap"], found["apart"]) < 1e-6
        and found["first"] > 2.0 * found["last"] + 0.2
        and found["card"] > found["forest"] - 0.02
        and found["proxy_share"] > 0.05
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """Mean size of the contributions."""
    axes.bar([f"x{j}" for j in range(found["columns"])], found["shares"], color="#c2410c")
    axes.set(ylabel="share of all contributions")
