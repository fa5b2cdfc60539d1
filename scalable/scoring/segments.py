"""Quality by segment: the metrics of a model on the rows of each category of some columns, in one streamed pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.roles import Roles
from scalable.evaluate.binary import BinaryMetrics
from scalable.evaluate.multiclass import MulticlassMetrics
from scalable.evaluate.regression import RegressionMetrics
from scalable.features.target import read_weights

MOST_SEGMENTS, BITS = 12, 6  # of a column; of a segment's score histogram: 100 kB
OTHERS, MISSING = "(others)", "(missing)"
SHOWN = ("rows", "prevalence", "mean_prediction", "auc", "log_loss", "brier", "calibration_error", "accuracy",
         "rmse", "r2")  # fmt: skip


def texts(array: pa.Array) -> pa.Array:
    """Return the values of a column as text."""
    plain = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
    return pc.cast(plain, pa.string())


def frequent(blocks: Sequence[RawBlock], names: Sequence[str]) -> dict[str, list[str]]:
    """Return the most frequent values of each column in some rows, as text."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in names}
    for block in blocks:
        for name in names:
            counts[name].update(value for value in texts(block.arrays[name]).to_pylist() if value is not None)
    return {name: [value for value, _ in each.most_common(MOST_SEGMENTS)] for name, each in counts.items()}


@dataclass(frozen=True)
class SegmentReduction:
    """Measures a model on each segment.

    Parameters
    ----------
    predictor : Predictor
    roles : Roles
        Of which target, which must be named, and weight are read.
    segments : mapping of str to list of str
        Of each column the values, as text; all others are a segment, and so are missing ones.
    """

    predictor: Any
    roles: Roles
    segments: Mapping[str, Sequence[str]]

    @property
    def _measures(self) -> Any:
        if self.predictor.task == "binary":
            return BinaryMetrics(BITS)
        if self.predictor.task == "multiclass":
            return MulticlassMetrics(len(self.predictor.classes), BITS)
        return RegressionMetrics()

    def init(self) -> dict[tuple[str, int], Any]:
        """Return the metrics of no rows."""
        return {}

    def step(self, state: dict[tuple[str, int], Any], block: RawBlock) -> dict[tuple[str, int], Any]:
        """Add a block."""
        target = self.roles.require_target()
        y = self.predictor.encode_label(block.arrays[target], target, block.where)
        weight = None
        if self.roles.weight is not None:
            weight = read_weights(block.arrays[self.roles.weight], self.roles.weight, block.where)
        predicted = self.predictor.rank_block(block)
        for name, values in self.segments.items():
            codes = _codes(block.arrays[name], values)
            for code in np.unique(codes).tolist():
                chosen, key = codes == code, (name, code)
                before = state[key] if key in state else self._measures.init()
                part = None if weight is None else weight[chosen]
                state[key] = self._measures.step(before, y[chosen], predicted[chosen], part)
        return state

    def merge(self, left: dict[tuple[str, int], Any], right: dict[tuple[str, int], Any]) -> Any:
        """Merge neighbours."""
        for key, found in right.items():
            left[key] = self._measures.merge(left[key], found) if key in left else found
        return left

    def finish(self, state: dict[tuple[str, int], Any]) -> list[dict[str, Any]]:
        """Return a row a segment, those of a column together."""
        rows = []
        for name, code in sorted(state, key=lambda key: ([*self.segments].index(key[0]), key[1])):
            report = self._measures.finish(state[name, code]).to_json()
            label = [*self.segments[name], OTHERS, MISSING][code]
            rows.append(
                {"column": name, "segment": label} | {key: report[key] for key in SHOWN if key in report}
            )
        return rows


def _codes(array: pa.Array, values: Sequence[str]) -> NDArray[np.int64]:
    """Return the place of each value, then that of others, then that of missing ones."""
    text = texts(array)
    found = pc.fill_null(pc.index_in(text, value_set=pa.array(values, pa.string())), len(values))
    codes = np.asarray(found, np.int64)
    return np.where(np.asarray(text.is_null()), len(values) + 1, codes)
