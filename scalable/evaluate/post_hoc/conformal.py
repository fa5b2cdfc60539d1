"""Conformal prediction: intervals and sets that hold the truth as often as promised, whatever the model.

The promise: rows to come are exchangeable with those that calibrate (Vovk, Gammerman and Shafer, 2005). All variants
are one quantile of scores, the ``ceil((n + 1) (1 - alpha))``-th of n; with `by`, one of each group (Mondrian).
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.columns import require_column
from scalable.data.roles import Roles
from scalable.data.source import Source
from scalable.data.table import as_source
from scalable.errors import DataError, ModelError, UsageError
from scalable.evaluate.inputs import as_predictor, ranks
from scalable.evaluate.post_hoc.score_table import Key, TableReduction, Tables, float_keys, float_of
from scalable.evaluate.row_parts import coded
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import FEW_LEAVES, run_reduction
from scalable.execution.threads import Threads
from scalable.storage.documents import typed, understood
from scalable.storage.places import place
from scalable.storage.replace import write_text

KINDS = ("interval", "quantiles", "set")


@dataclass(frozen=True)
class Coverage:
    """What became true on labelled rows.

    Attributes
    ----------
    rows, covered : int
    size : float
        Mean width of the intervals, or mean number of classes in the sets.
    """

    rows: int
    covered: int
    size: float

    @property
    def rate(self) -> float:
        """Share of the rows whose truth was within."""
        return self.covered / self.rows


@dataclass(frozen=True)
class Conformal:
    """Thresholds learned by `calibrate`.

    Attributes
    ----------
    kind : {"interval", "quantiles", "set"}
        Prediction plus and minus a threshold (split conformal); lower and upper predictions widened by one (CQR,
        Romano, Patterson and Candes, 2019); all classes of a probability of at least one less the threshold (Sadinle,
        Lei and Wasserman, 2019).
    alpha : float
        Share of the rows that may be missed.
    by : str or None
        Column of the groups that each have a threshold.
    groups : tuple of (group, threshold, rows)
        Of each; the one group is None without `by`. A threshold is infinite where rows are too few for `alpha`.
    """

    kind: str
    alpha: float
    by: str | None
    groups: tuple[tuple[Any, float, int], ...]

    @classmethod
    def calibrate(
        cls,
        model: Any,
        source: Source,
        *,
        alpha: float = 0.1,
        by: str | None = None,
        upper: Any = None,
        executor: Executor | None = None,
    ) -> Conformal:
        """Learn the thresholds from rows that the model was not trained on, in one pass.

        Parameters
        ----------
        model : Predictor or fitted learner
            Of a number, or of classes; the lower quantile where `upper` is given.
        source : Source
            Labelled rows; every row counts once.
        upper : Predictor or fitted learner, optional
            The upper quantile.

        Raises
        ------
        UsageError, DataError
            When `alpha` is no share, the source has weights, or a row has no group.
        """
        if not 0.0 < alpha < 1.0:
            raise UsageError(f"alpha must be between 0 and 1, not {alpha!r}")
        pair = _pair(model, upper)
        kind = "quantiles" if upper is not None else "interval" if pair[0].classes is None else "set"
        if kind == "quantiles" and any(each.classes is not None for each in pair):
            raise UsageError("quantiles are predictions of a number; a classifier has sets, without `upper`")
        tables: Tables = _passed(_Scores(pair, _roles(source), by), source, by, executor, "calibrate")
        groups = []
        for group, table in sorted(tables.items(), key=lambda item: (str(type(item[0])), item[0])):
            rank = math.ceil((table.rows + 1) * (1.0 - alpha) - 1e-9)
            threshold = float_of(table.top(rank)) if rank <= table.rows else math.inf
            groups.append((group, threshold, table.rows))
        if not groups:
            raise DataError(f"{source.describe_place()}: no row to calibrate with; look at the filters")
        return cls(kind, float(alpha), by, tuple(groups))

    def predict(self, model: Any, X: Any, upper: Any = None) -> NDArray[Any]:
        """Return intervals, float64 (n_rows, 2), or sets, bool (n_rows, n_classes) in the order of the classes.

        Raises
        ------
        DataError
            When a row's group was not calibrated.
        """
        pair = self.pair_of(model, upper)
        source = as_source(X).without_target()
        parts = [self.of_block(pair, raw) for raw in _blocks(pair, source, self.by)]
        wide = 2 if self.kind != "set" else len(pair[0].classes)
        empty = np.empty((0, wide), bool if self.kind == "set" else np.float64)
        return np.concatenate([empty, *parts])

    def measure(
        self,
        model: Any,
        source: Source,
        *,
        upper: Any = None,
        by: str | None = None,
        executor: Executor | None = None,
    ) -> dict[Any, Coverage]:
        """Return the coverage on labelled rows, of each group of `by` or, under None, of all; one pass."""
        work = _Covered(self, self.pair_of(model, upper), _roles(source), by)
        more = [] if by is None else [by]
        found: dict[Any, Coverage] = _passed(work, source, self.by, executor, "coverage", *more)
        return found

    def of_block(self, pair: tuple[Any, ...], raw: RawBlock) -> NDArray[Any]:
        """Return intervals or sets of the rows of a block."""
        threshold = self._thresholds(raw)
        if self.kind == "set":
            return np.asarray(_probabilities(pair[0], raw) >= 1.0 - threshold[:, None])
        return np.stack(
            [pair[0].predict_block(raw) - threshold, pair[-1].predict_block(raw) + threshold], axis=1
        )

    def _thresholds(self, raw: RawBlock) -> NDArray[np.float64]:
        known = {group: threshold for group, threshold, _ in self.groups}
        if self.by is None:
            return np.full(raw.n_rows, known[None])
        codes, values = coded(raw, self.by)
        table = np.array([known.get(value, np.nan) for value in values])
        found = table[codes]
        if np.isnan(found).any():
            row = int(np.flatnonzero(np.isnan(found))[0])
            raise DataError(
                f"{raw.where(row)}: column {self.by!r} is {values[codes[row]]!r}, a group that was not calibrated; "
                "calibrate with rows of it"
            )
        return np.asarray(found)

    def pair_of(self, model: Any, upper: Any = None) -> tuple[Any, ...]:
        """Return the predictors of what was calibrated; a UsageError when these are of another kind."""
        pair = _pair(model, upper)
        kind = "quantiles" if len(pair) == 2 else "interval" if pair[0].classes is None else "set"
        if kind != self.kind:
            raise UsageError(f"calibrated for {self.kind!r}, and these models give {kind!r}")
        return pair

    def to_json(self) -> str:
        """Return what `save` writes; an infinite threshold is null."""
        groups = [[group, None if math.isinf(q) else q, rows] for group, q, rows in self.groups]
        return json.dumps({"kind": self.kind, "alpha": self.alpha, "by": self.by, "groups": groups})

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write as JSON."""
        write_text(place(path), self.to_json())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Conformal:
        """Read what `save` wrote; a ModelError when it is damaged."""
        with understood(ModelError, path, "calibrate again"):
            document = json.loads(place(path).read_text())
            groups = tuple(
                (group, math.inf if q is None else float(q), int(rows))
                for group, q, rows in document.pop("groups")
            )
            found = typed(cls, {**document, "groups": groups})
            known = {group for group, _, _ in groups}
            if (
                found.kind not in KINDS
                or not 0.0 < found.alpha < 1.0
                or len(known) < len(groups)
                or (known != {None} if found.by is None else None in known or not known)
                or any(math.isnan(q) for _, q, _ in groups)
            ):
                raise ValueError(
                    f"kind {found.kind!r}, alpha {found.alpha!r}, by {found.by!r}, {len(groups)} groups"
                )
            return found


@dataclass(frozen=True)
class _Scores(TableReduction):
    """Of how far the truth is outside: beyond the prediction, the nearer quantile, or below a probability of 1."""

    pair: tuple[Any, ...]
    roles: Roles
    by: str | None

    def rows(self, block: RawBlock) -> tuple[NDArray[np.int64] | None, list[Any], Key, NDArray[np.float64]]:
        codes, groups = (None, []) if self.by is None else coded(block, self.by)
        y = _truth(self.pair, self.roles, block)
        if self.pair[0].classes is not None:
            score = 1.0 - _probabilities(self.pair[0], block)[np.arange(len(y)), y.astype(np.int64)]
        else:
            score = np.maximum(self.pair[0].predict_block(block) - y, y - self.pair[-1].predict_block(block))
        return codes, groups, float_keys(score), np.repeat([[1.0, 0.0, 0.0]], len(y), axis=0)


@dataclass(frozen=True)
class _Covered:
    """Reduction to coverage by group."""

    conformal: Conformal
    pair: tuple[Any, ...]
    roles: Roles
    by: str | None

    def init(self) -> dict[Any, tuple[int, int, float]]:
        return {}

    def step(self, state: dict[Any, Any], block: RawBlock) -> dict[Any, Any]:
        y, found = _truth(self.pair, self.roles, block), self.conformal.of_block(self.pair, block)
        if self.conformal.kind == "set":
            inside, size = found[np.arange(len(y)), y.astype(np.int64)], found.sum(axis=1).astype(np.float64)
        else:
            inside, size = (found[:, 0] <= y) & (y <= found[:, 1]), np.maximum(found[:, 1] - found[:, 0], 0.0)
        codes, groups = (np.zeros(len(y), np.int64), [None]) if self.by is None else coded(block, self.by)
        counts = [
            np.bincount(codes, w, len(groups)) for w in (np.ones(len(y)), inside.astype(np.float64), size)
        ]
        part = {group: tuple(c[k] for c in counts) for k, group in enumerate(groups) if counts[0][k]}
        return self.merge(state, part)

    def merge(self, left: dict[Any, Any], right: dict[Any, Any]) -> dict[Any, Any]:
        merged = dict(left)
        for group, part in right.items():
            merged[group] = tuple(a + b for a, b in zip(merged.get(group, (0, 0, 0.0)), part, strict=True))
        return merged

    def finish(self, state: dict[Any, Any]) -> dict[Any, Coverage]:
        return {
            group: Coverage(int(n), int(covered), float(size / n))
            for group, (n, covered, size) in state.items()
        }


def _pair(model: Any, upper: Any) -> tuple[Any, ...]:
    """Return predictors, of fitted learners too; a UsageError where one predicts neither numbers nor classes."""
    found = tuple(as_predictor(each) for each in (model, upper) if each is not None)
    for each in found:
        if each.task == "transform":
            raise UsageError(
                "the model learned without a target: there is nothing that could be held to a label"
            )
        if ranks(each):
            raise UsageError(
                "the model's scores order the rows of queries: a label says nothing of their size"
            )
    return found


def _roles(source: Source) -> Roles:
    source.roles.require_target()
    if source.roles.weight is not None:
        raise UsageError(
            f"{source.describe_place()}: conformal prediction counts rows; name no weight, or filter instead"
        )
    return source.roles


def _truth(pair: tuple[Any, ...], roles: Roles, block: RawBlock) -> NDArray[np.float64]:
    name = roles.require_target()
    return np.asarray(pair[0].encode_label(block.arrays[name], name, block.where))


def _probabilities(predictor: Any, raw: RawBlock) -> NDArray[np.float64]:
    found = predictor.predict_block(raw)
    return np.stack([1.0 - found, found], axis=1) if found.ndim == 1 else found


def _blocks(pair: tuple[Any, ...], source: Source, by: str | None) -> Iterator[RawBlock]:
    names = [name for each in pair for name in each.needed] + ([] if by is None else [by])
    for name in names:
        require_column(source.full_schema, name, source.describe_place(), "feature")
    for shard in source.shards:
        yield from source.raw_blocks(shard, list(dict.fromkeys(names)))


def _passed(
    work: Any, source: Source, by: str | None, executor: Executor | None, label: str, *more: str
) -> Any:
    names = [*(name for each in work.pair for name in each.needed), source.roles.require_target(), *more]
    names += [] if by is None else [by]
    for name in names:
        require_column(source.full_schema, name, source.describe_place(), "feature")
    reader = BlockReader(source, columns=tuple(dict.fromkeys(names)))
    return run_reduction(executor or Threads(), work, reader, label=label, leaves=FEW_LEAVES)
