"""Predictions with what was promised of them: intervals of numbers, sets of classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from scalable.data.block import RawBlock
from scalable.evaluate.post_hoc.conformal import Conformal
from scalable.scoring.parts import Predictions


@dataclass(frozen=True)
class Promises:
    """Predictions and intervals, or sets: `Made`.

    Raises
    ------
    UsageError
        When the thresholds are of another kind of model.
    """

    predictor: Any
    conformal: Conformal
    upper: Any = None

    def __post_init__(self) -> None:
        self.conformal.pair_of(self.predictor, self.upper)

    @property
    def needed(self) -> list[str]:
        """Columns that are read."""
        models = [each for each in (self.predictor, self.upper) if each is not None]
        group = [] if self.conformal.by is None else [self.conformal.by]
        return list(dict.fromkeys([name for each in models for name in each.needed] + group))

    @property
    def schema(self) -> pa.Schema:
        """Predictions, then ``lower`` and ``upper``, or a boolean ``holds_<class>`` a class."""
        more = [("lower", pa.float64()), ("upper", pa.float64())]
        if self.conformal.kind == "set":
            more = [(f"holds_{name}", pa.bool_()) for name in self.predictor.classes]
        return pa.schema([*Predictions(self.predictor).schema, *(pa.field(*each) for each in more)])

    def table(self, block: RawBlock) -> pa.Table:
        """Return a row for each row of a block."""
        predicted = Predictions(self.predictor).table(block)
        found = self.conformal.of_block(self.conformal.pair_of(self.predictor, self.upper), block)
        columns = [pa.array(column) for column in found.T]
        return pa.table([*predicted.columns, *columns], schema=self.schema)
