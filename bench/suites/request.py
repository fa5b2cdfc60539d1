"""What a raw request costs in the process: a dict, JSON, and a frame of a thousand rows, rows never repeated."""

from __future__ import annotations

import datetime
import json
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from bench.suites.median import ns_per_row

from .median import named

try:
    import scalable.inference.request as _  # noqa: F401  only to know whether it is there

    missing = ""
except ImportError as error:  # a commit from before it
    missing = str(error)

MODELS = ["forest", "logistic"]
LEARNED, ASKED, WARM, FRAME_ROWS = 20_000, 3000, 200, 1000


def setup(*params: object) -> None:
    """Skip what an old commit lacks; asv calls this before each benchmark of the file."""
    if missing:
        raise NotImplementedError(missing)


def _table(n_rows: int, seed: int) -> pa.Table:
    """Return rows of numbers, text of few and of many values, and a time; a tenth of one number is missing."""
    rng = np.random.default_rng(seed)
    amount = np.exp(rng.normal(size=n_rows))
    columns: dict[str, Any] = {
        "amount": pa.array(amount, mask=rng.random(n_rows) < 0.1),
        "age": rng.integers(18, 90, n_rows),
        "category": rng.choice(["grocery", "travel", "fuel", "games"], n_rows),
        "merchant": np.char.add("merchant ", rng.integers(0, 2000, n_rows).astype(str)),
        "time": pa.array(rng.integers(1_600_000_000, 1_700_000_000, n_rows), pa.timestamp("s")),
        "y": (np.log(amount) + rng.normal(size=n_rows) > 0).astype(np.int64),
    }
    return pa.table(columns)


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime.datetime) else value


class Request:
    """From a raw row to its prediction."""

    timeout = 300
    params = (MODELS,)
    param_names = ("model",)

    def setup_cache(self) -> str:
        """Train once per environment."""
        from scalable.boosting import LGBMClassifier
        from scalable.data.table import TableSource
        from scalable.linear import LogisticRegression

        place = os.path.abspath("requests")
        os.makedirs(place, exist_ok=True)
        source = TableSource(_table(LEARNED, 0), "y")
        forest = LGBMClassifier(n_estimators=100, num_leaves=63, verbose=-1, n_workers=1)
        for name, learner in zip(MODELS, (forest, LogisticRegression(n_workers=1)), strict=True):
            learner.fit(source)
            learner.save(os.path.join(place, name))
        return place

    def setup(self, place: str, model: str) -> None:
        """Load the model and draw rows that it has not seen."""
        from scalable.inference import load_model

        self.model: Any = load_model(os.path.join(place, model))
        self.table = _table(ASKED, 1).select(self.model.needed)
        self.rows = self.table.to_pylist()

    def _median_us(self, answer: Callable[[Any], Any], requests: list[Any]) -> float:
        for request in requests[:WARM]:
            answer(request)
        taken = np.empty(len(requests) - WARM)
        for k, request in enumerate(requests[WARM:]):
            start = time.perf_counter_ns()
            answer(request)
            taken[k] = (time.perf_counter_ns() - start) / 1e3
        return float(np.median(taken))

    @named("Answer a dict")
    def track_dict(self, place: str, model: str) -> float:
        """Answer dicts."""
        return self._median_us(self.model.predict_one, self.rows)

    @named("Answer a JSON object")
    def track_json(self, place: str, model: str) -> float:
        """Answer JSON objects; times are ISO 8601."""
        texts = [json.dumps({name: _text(value) for name, value in row.items()}) for row in self.rows]
        return self._median_us(self.model.predict_json, [text.encode() for text in texts])

    @named("Answer a frame of a thousand rows")
    def track_frame(self, place: str, model: str) -> float:
        """Answer a thousand rows of Arrow."""
        frame = self.table.slice(0, FRAME_ROWS)
        return ns_per_row(lambda: self.model.predict(frame), FRAME_ROWS, 20)

    @named("Give the three reasons of a dict's score")
    def track_reasons(self, place: str, model: str) -> float:
        """Give the three reasons of dicts."""
        return self._median_us(lambda row: self.model.explain(row, top=3), self.rows[: 2 * WARM])

    @named("Explain a frame of a thousand rows")
    def track_explain(self, place: str, model: str) -> float:
        """Explain a thousand rows of Arrow."""
        frame = self.table.slice(0, FRAME_ROWS)
        return ns_per_row(lambda: self.model.explain(frame), FRAME_ROWS, 5)

    track_dict.unit = track_json.unit = track_reasons.unit = "us"  # type: ignore[attr-defined]
    track_frame.unit = track_explain.unit = "ns/row"  # type: ignore[attr-defined]
