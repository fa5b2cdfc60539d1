"""What each raw column of a row adds to a model's score: contributions, and the reason codes that name the largest.

Forests are explained by exact path-dependent TreeSHAP (Lundberg et al., 2020), linear models by ``coef * (x - mean)``,
which are the same model's Shapley values where columns are independent. The parts of a column that its encoder made
into several add up; what a pair of columns adds is halved between them, as Shapley's symmetry asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import Block
from scalable.errors import UsageError
from scalable.features.linear_encoder import LinearEncoder
from scalable.features.tree_encoder import TreeEncoder
from scalable.inference.forest.compiled import CompiledForest
from scalable.inference.forest.places import Columns


@dataclass(frozen=True, slots=True)
class Explanation:
    """Contributions of the columns of some rows to their scores.

    Attributes
    ----------
    columns : tuple of str
        Raw columns.
    outputs : tuple of str
        What is scored: ``("score",)``, or the classes.
    contributions : float64 (n_rows, n_outputs, n_columns)
        In units of the score: log odds of a logistic link, the mean itself of none.
    expected : float64 (n_outputs,)
        The score that is expected of any row: the mean over the training rows.
    """

    columns: tuple[str, ...]
    outputs: tuple[str, ...]
    contributions: NDArray[np.float64]
    expected: NDArray[np.float64]

    @property
    def scores(self) -> NDArray[np.float64]:
        """Scores before the link, (n_rows, n_outputs): what is expected and all contributions."""
        return np.asarray(self.expected + self.contributions.sum(axis=2))

    def top(self, k: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return the `k` columns of the largest contributions, by size, and these: each (n_rows, n_outputs, k).

        Raises
        ------
        UsageError
            There are fewer columns.
        """
        n = len(self.columns)
        if not 1 <= k <= n:
            raise UsageError(f"the model has {n} columns, so 1 to {n} reasons, found top={k}")
        order = np.argsort(-np.abs(self.contributions), axis=2, kind="stable")[:, :, :k]
        return order, np.take_along_axis(self.contributions, order, axis=2)

    def reasons(self, k: int) -> list[Any]:
        """Return the reason codes of each row: a list of (column, contribution), or a dict of them by class."""
        order, values = self.top(k)
        every = [
            {
                output: [(self.columns[j], float(v)) for j, v in zip(at, found, strict=True)]
                for output, at, found in zip(self.outputs, row_at, row_found, strict=True)
            }
            for row_at, row_found in zip(order, values, strict=True)
        ]
        return [row[self.outputs[0]] for row in every] if len(self.outputs) == 1 else every

    def rows(self, top: int | None = None) -> list[dict[str, Any]]:
        """Return what JSON says of each row: `score`, `expected`, and `contributions` by column or `top` `reasons`.

        With several outputs each is an object by class.
        """

        def by_output(values: list[Any]) -> Any:
            return values[0] if len(self.outputs) == 1 else dict(zip(self.outputs, values, strict=True))

        expected, scores = by_output(self.expected.tolist()), self.scores.tolist()
        if top is not None:
            more = [{"reasons": reasons} for reasons in self.reasons(top)]
        else:
            named = [
                [dict(zip(self.columns, values, strict=True)) for values in row]
                for row in self.contributions.tolist()
            ]
            more = [{"contributions": by_output(row)} for row in named]
        return [
            {"score": by_output(score), "expected": expected, **rest}
            for score, rest in zip(scores, more, strict=True)
        ]

    @classmethod
    def joined(cls, parts: Sequence[Explanation]) -> Explanation:
        """Return the explanation of several blocks of rows, at least one, as one."""
        rows = np.concatenate([part.contributions for part in parts])
        return cls(parts[0].columns, parts[0].outputs, rows, parts[0].expected)


def output_names(n_outputs: int, classes: Sequence[Any] | None) -> tuple[str, ...]:
    """Return what is scored: ``score``, or each class."""
    if n_outputs == 1:
        return ("score",)
    known = classes if classes is not None and len(classes) == n_outputs else range(n_outputs)
    return tuple(str(name) for name in known)


def explain_forest(
    forest: CompiledForest, columns: Columns, names: Sequence[str], owners: NDArray[np.float64] | None,
    outputs: tuple[str, ...], only: int | None = None,
) -> Explanation:  # fmt: skip
    """Explain rows of a forest.

    Parameters
    ----------
    names : sequence of str
        Raw columns.
    owners : float64 (n_features, n_columns) or None
        Share of each raw column in each feature; None where they are the same.
    outputs : tuple of str
        See `Explanation`.
    only : int, optional
        The one output that is explained.
    """
    whole = forest.iterations()
    found = whole.predict(columns, pred_contrib=True, num_iteration=-1)
    found = found.reshape(columns.n_rows, whole.n_outputs, whole.n_features + 1)
    if forest.forest.average and forest.forest.library == "lightgbm":  # whose contributions are not averaged
        found /= whole.n_iterations
    if only is not None:
        found = found[:, only : only + 1]
    each, expected = found[:, :, :-1], found[:1, :, -1]
    if owners is not None:
        each = each @ owners
    if not len(expected):
        expected = np.zeros((1, found.shape[1]))
    return Explanation(tuple(names), outputs, np.ascontiguousarray(each), expected[0].copy())


def tree_owners(encoder: TreeEncoder) -> NDArray[np.float64]:
    """Return the share of each needed raw column in each column of a tree encoder's matrix."""
    needed = list(encoder.needed)
    owners = np.zeros((encoder.n_columns, len(needed)))
    at = 0
    for column in encoder.columns:
        owners[at : at + column.width, [] if column.left_out else needed.index(column.name)] = 1.0
        at += column.width
    for joined in encoder.pairs:
        for name in joined.pair.names:
            owners[at, needed.index(name)] += 0.5
        at += 1
    return owners


def explain_linear(
    encoder: LinearEncoder, coef: NDArray[np.float64], block: Block, outputs: tuple[str, ...]
) -> Explanation:
    """Explain encoded rows of a linear model.

    A number is held against its mean (of a logarithm: the logarithm at the mean), a category against the mean of all
    categories, a hashed one against 0, as nobody kept its shares.

    Parameters
    ----------
    coef : float64 (n_outputs, n_columns + 1 + n_indices)
    """
    needed, n = encoder.needed, encoder.n_columns
    out = np.zeros((block.n_rows, len(coef), len(needed)))
    expected, sparse = coef[:, n].copy(), coef[:, n + 1 :]
    used = [(c, base) for c, base in zip(encoder.columns, encoder.bases, strict=True) if c.action != "drop"]
    j = h = 0
    for k, (column, base) in enumerate(used):
        mean = np.array([column.fill, 0.0][: column.n_columns])  # the indicator is centred already
        weights = coef[:, j : j + column.n_columns]
        shift = weights @ mean
        part = block.columns[j : j + column.n_columns].T.astype(np.float64) @ weights.T
        own = sparse[:, base : base + column.n_known]
        shift = shift + own @ np.asarray(column.category_shares if column.n_known else [], np.float64)
        for ids in block.ids[h : h + column.n_ids]:
            part += np.where(ids >= 0, sparse[:, np.maximum(ids, 0)], 0.0).T
        out[:, :, k] = part - shift
        expected += shift
        j, h = j + column.n_columns, h + column.n_ids
    return Explanation(tuple(needed), outputs, out, expected)
