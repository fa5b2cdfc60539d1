"""Scores that rows bring along, from which training starts: LightGBM's ``init_score``, here columns of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.boosting.engine import left_to_lightgbm
from scalable.data.block import RawBlock
from scalable.data.columns import column_kind, require_column
from scalable.data.source import Source
from scalable.data.table import TableSource
from scalable.data.values import numbers
from scalable.errors import DataError, UsageError
from scalable.execution.reader import Encoder
from scalable.features.target import require_good
from scalable.features.tree_encoder import TreeRows

COLUMN = "__init_score_{}__"  # of scores given beside a table


@dataclass(frozen=True, slots=True)
class WithStart:
    """An encoder that also reads the scores rows start from.

    Attributes
    ----------
    encoder : Encoder
        To `TreeRows`.
    columns : sequence of str
        One for each score of a row.
    """

    encoder: Encoder
    columns: Sequence[str]

    @property
    def needed(self) -> Sequence[str]:
        """Names of the columns it reads."""
        return [*self.encoder.needed, *self.columns]

    def encode(self, raw: RawBlock) -> TreeRows:
        """Return the encoded block with its scores.

        Raises
        ------
        DataError
            When a score is missing or infinite.
        """
        rows: TreeRows = self.encoder.encode(raw)
        rows.start = np.empty((len(self.columns), raw.n_rows))
        for k, name in enumerate(self.columns):
            array = raw.arrays[name]
            rows.start[k] = numbers(array)
            good = np.isfinite(rows.start[k])
            require_good(good, array, spoken(name), raw.where, "scores to start from are finite")
        return rows


def spoken(name: str) -> str:
    """Return how messages call a column of scores."""
    given = name.startswith(COLUMN.partition("{")[0])
    return "init_score" if given else f"init_score column {name!r}"


def with_start(source: Source, given: Any, called: str = "init_score") -> tuple[Source, tuple[str, ...]]:
    """Return a source whose rows bring scores along, and their columns, which are no features.

    Parameters
    ----------
    source : Source
        Rows.
    given : None, str, sequence of str, or array-like of shape (n_rows,), (n_rows, n_scores) or (n_rows * n_scores,)
        Columns, or scores beside rows in memory; flat ones all of the first class first, as in LightGBM.
    called : str
        Name for messages.

    Raises
    ------
    DataError, UsageError
        When there is no such column, or another number of scores than rows.
    """
    if given is None or (isinstance(given, (list, tuple)) and len(given) == 0):
        return source, ()
    names = [given] if isinstance(given, str) else list(given) if _are_names(given) else []
    if names:
        for name in names:
            require_column(source.full_schema, name, source.describe_place(), called)
            kind = source.field_type(name)
            if column_kind(kind) not in ("integer", "float", "boolean"):
                raise DataError(f"{source.describe_place()}: {spoken(name)} is {kind}; scores are numbers")
        kept = [name for name in source.feature_names if name not in names]
        return source.with_features(kept), tuple(names)
    if not isinstance(source, TableSource):
        raise UsageError(f"{called} is an array, but rows of files bring scores in a column: {called}=COLUMN")
    scores = _scores(given, source.n_rows, called)
    columns = [COLUMN.format(k) for k in range(len(scores))]
    table = source.table
    for name, column in zip(columns, scores, strict=True):
        table = table.append_column(name, pa.array(column))
    return TableSource(table, features=source.feature_names, **source.roles.named), tuple(columns)


def all_with_start(
    source: Source, valid: Sequence[Source], init_score: Any, eval_init_score: Any
) -> tuple[Source, list[Source], tuple[str, ...], list[tuple[str, ...]]]:
    """Return training and validation rows that bring scores along, and the columns of each.

    Parameters
    ----------
    source, valid : Source, sequence of Source
        Rows.
    init_score : None, str, sequence of str, or array-like
        As for `with_start`, of the training rows.
    eval_init_score : sequence of those, or None
        Of each validation set; by default the columns that `init_score` names.
    """
    source, own = with_start(source, init_score)
    each = [init_score if isinstance(init_score, str) or _are_names(init_score) else None] * len(valid)
    if eval_init_score is not None:
        each = [eval_init_score] * len(valid) if isinstance(eval_init_score, str) else list(eval_init_score)
    if len(each) != len(valid):
        raise UsageError(f"eval_init_score holds scores of {len(each)} sets, but there are {len(valid)}")
    started = [with_start(held, given, "eval_init_score") for held, given in zip(valid, each, strict=True)]
    return source, [held for held, _ in started], own, [names for _, names in started]


def _are_names(given: Any) -> bool:
    return (
        isinstance(given, (list, tuple)) and len(given) > 0 and all(isinstance(name, str) for name in given)
    )


def _scores(given: Any, n_rows: int, called: str) -> NDArray[np.float64]:
    """Return scores of shape (n_scores, n_rows), C-contiguous."""
    try:
        scores = np.asarray(given, np.float64)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{called} holds no numbers ({error})") from error
    if scores.ndim == 1 and len(scores) and len(scores) % n_rows == 0:
        return np.ascontiguousarray(scores.reshape(-1, n_rows))
    if scores.ndim == 2 and len(scores) == n_rows and scores.shape[1]:
        return np.ascontiguousarray(scores.T)
    raise UsageError(
        f"{called} has shape {scores.shape}, but there are {n_rows:,} rows: give one score a row and class"
    )


def check_start(columns: Sequence[str], n_scores: int, called: str = "init_score") -> None:
    """Raise a UsageError when rows bring another number of scores than the model has."""
    if columns and len(columns) != n_scores:
        raise UsageError(f"{called} gives {len(columns)} score(s) a row, but the model has {n_scores}")


def engine_of_started(asked: str) -> str:
    """Return the engine of a fit whose rows bring scores along; raises a UsageError where that is the native one."""
    if asked == "native":
        raise UsageError(
            "engine='native' does not take init_score; leave it out, or use engine='lightgbm' or 'auto'"
        )
    return left_to_lightgbm("engine='native' does not take init_score") if asked == "auto" else asked
