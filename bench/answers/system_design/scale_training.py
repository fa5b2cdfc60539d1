"""How would one train on a billion rows?

Through a state that does not grow with the rows, from states of parts that merge (Chu et al., 2006); after asking
whether so many rows are better than fewer.
"""

from __future__ import annotations

import pickle
import tempfile
from typing import Any

import numpy as np

import data_gen
from scalable import ParquetSource
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction
from scalable.execution.threads import Threads
from scalable.features.number_encoder import NumberEncoder
from scalable.features.target import Labels
from scalable.linear import Ridge
from scalable.models.arrays.second_moments import SecondMoments

QUICK, STANDARD = 200_000, 4_000_000
CLAIM = (
    "The state of a pass has the same size for any number of rows and the same bits for any number of workers, and the "
    "excess error falls with the rows until it no longer matters."
)
ANSWER = """By never holding the rows: the state of a pass for least squares on {columns} columns took
{small_kib:.1f} KiB after {few:,} rows and {large_kib:.1f} KiB after {rows:,}, and one worker and two ended in
coefficients of which {same_bits:.0%} had the same bits. First one should ask whether it is worth it: with a
hundredth of the rows the excess of the mean squared error over the best possible was {excess_few:.2%}, with a
tenth {excess_tenth:.2%}, with all {excess_all:.4%}. A matrix of a billion such rows would be {matrix:.0f} GiB.
A learner that must see all rows at once, or a model whose error still falls with more rows, needs other means;
what a billion rows take in seconds is in the record of its own."""
LINKS = ("scalable/execution/reduction.py", "docs/train_on_a_billion_rows.md", "docs/billion.md")
COLUMNS = 30


def measure(rows: int) -> dict[str, Any]:
    """Fit on a hundredth, a tenth and all of the rows; look at states, bits and errors."""
    knobs: dict[str, Any] = {"features": COLUMNS, "nonzero": COLUMNS}
    found: dict[str, Any] = {
        "rows": rows,
        "few": rows // 100,
        "columns": COLUMNS,
        "matrix": COLUMNS * 8e9 / 2**30,
    }
    names = [f"x_{j:02d}" for j in range(COLUMNS)]
    held = data_gen.rows("regression", 0, 50_000, seed=1, **knobs)
    best = data_gen.truth("regression", 0, 50_000, seed=1, **knobs)
    x = held.select(names)
    noise = float(np.var(held["target"].to_numpy() - best))
    excess = []
    with tempfile.TemporaryDirectory() as home:
        for share in (100, 10, 1):
            out = f"{home}/{share}"
            data_gen.generate("regression", rows=rows // share, out=out, row_group_rows=2**16, **knobs)
            source = ParquetSource(out, target="target")
            model = Ridge(alpha=1e-9, n_workers=1).fit(source)
            excess.append(float(((model.predict(x) - best) ** 2).mean()) / noise)
            if share == 1:
                two = Ridge(alpha=1e-9, n_workers=2).fit(source)
                found["same_bits"] = float((two.coef_ == model.coef_).mean())
            if share != 10:
                found["small_kib" if share == 100 else "large_kib"] = _state(source) / 1024.0
    found |= dict(zip(("excess_few", "excess_tenth", "excess_all"), excess, strict=True))
    return {**found, "excess": excess}


def _state(source: Any) -> int:
    """Return the bytes of a pass's state, as it would travel between workers."""
    encoder = NumberEncoder.learn(source.schema, Labels("target"), None, "least squares")
    work = SecondMoments(tuple(encoder.needed), True)
    return len(pickle.dumps(run_reduction(Threads(1), work, BlockReader(source, encoder))))


def holds(found: dict[str, Any]) -> bool:
    """Same size, same bits, less error."""
    return bool(
        found["small_kib"] == found["large_kib"]
        and found["same_bits"] == 1.0
        and found["excess_few"] > found["excess_tenth"] > found["excess_all"]
        and found["excess_all"] < 0.01
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """Excess error by rows."""
    axes.loglog([found["rows"] / s for s in (100, 10, 1)], found["excess"], "o-", color="#c2410c")
    axes.set(xlabel="rows", ylabel="excess error, share of the noise")
