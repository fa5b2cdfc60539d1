"""Learning from one part of the data after another: ``partial_fit``.

The first part decides what is done with every column. Where a column does not vary yet, the first parts are kept for a
while, and the decision is made anew, from all of them, with each part that arrives.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from scalable.data.source import Source
from scalable.data.table import TableSource
from scalable.execution.reader import BlockReader
from scalable.execution.threads import Threads
from scalable.features.linear_encoder import LinearEncoder
from scalable.features.summary import labels_of, summarize
from scalable.linear.gradient import GradientEstimator
from scalable.linear.parameters import check_parameters
from scalable.linear.solvers.descent import Descent, DescentState
from scalable.linear.solvers.rounds import coefficients, start_state
from scalable.models.estimator import BEGINS_ANEW

EARLY_ROWS = 2**12  # of the first parts that are kept while a column does not vary
EARLY_PARTS = 32
FAR = 30.0  # of a part's targets, in deviations of the first part's, whose units descent keeps


@dataclass(frozen=True)
class Parts:
    """What was learned so far.

    Attributes
    ----------
    learner : Descent
        How it is learned.
    encoder : LinearEncoder
        What is done with the columns.
    state : DescentState
        The model.
    early : tuple of pyarrow.Table
        Copies of all parts so far, as long as the columns may still be decided anew.
    far : float
        How far from the mean targets of a part were, in deviations of the first part's.
    """

    learner: Descent
    encoder: LinearEncoder
    state: DescentState
    early: tuple[pa.Table, ...] = ()
    far: float = 0.0


class PartialFit(GradientEstimator):
    """Base of the learners that take the data part by part."""

    _partial: Parts

    def _learn_part(self, X: Any, y: Any, classes: Any, sample_weight: Any) -> None:
        """One more pass over a part of the data, in one replica."""
        check_parameters(self)
        parts: Parts | None = getattr(self, "_partial", None)
        source, plain = (
            self._source(X, y, sample_weight) if parts is None else self._more(X, y, sample_weight)
        )
        if parts is None and hasattr(self, "model_"):
            self._tell(BEGINS_ANEW)
        if parts is None or parts.early:
            parts = self._begin(source, plain, classes, () if parts is None else parts.early)
        else:
            before, parts = parts.far, _through(parts, source)
            if not self._classify and parts.far > FAR >= before:
                self._tell(
                    f"targets of this part lie {parts.far:,.0f} deviations of the first part's from its mean, in whose "
                    "units descent learns: it will hardly follow; begin with a part like all, or fit all at once"
                )
        self._partial = parts
        learner = parts.learner
        done = learner.finish(parts.state)
        self.n_iter_ = getattr(self, "n_iter_", 0) + 1
        self.solver_ = "sgd"
        self.__dict__.pop("converged_", None)  # there may be parts to come
        self._finish(parts.encoder, learner.objective, coefficients(done, bool(self.average)))

    def _begin(self, source: Source, plain: bool, classes: Any, early: tuple[pa.Table, ...]) -> Parts:
        """Decide what is done with the columns from all parts so far, and learn from them."""
        tables = (*early, _copy(source))
        if early and all(table is not None and table.schema == early[0].schema for table in tables):
            whole: Source = TableSource(
                pa.concat_tables(tables), source.target, source.feature_names, source.weight
            )
        else:
            whole, tables = source, tables[-1:]
        summary = summarize(whole, Threads(1), classify=self._classify)
        target = summary.known_target
        if self._classify and classes is not None:
            target = target.with_classes(classes)
        labels = labels_of(whole, target, classify=self._classify)
        options = replace(self._options(plain), keep_constant=True)
        encoder = LinearEncoder.learn(summary.columns, whole, labels, options)
        objective = self._objective(target, encoder, whole)
        learner = self._descent(objective, encoder)
        parts = Parts(learner, encoder, start_state(learner, self._start(objective, target, encoder)))
        parts = replace(_through(parts, whole), far=0.0)
        rows, words = whole.n_rows, encoder.unvaried(whole.n_rows) or target.unvaried
        if not words:
            return parts
        if all(table is not None for table in tables) and rows <= EARLY_ROWS and len(tables) < EARLY_PARTS:
            return replace(parts, early=tables)
        self._tell(words)
        return parts


def _through(parts: Parts, source: Source) -> Parts:
    """Return what is known after the rows of a source."""
    state, far = parts.state, parts.far
    for shard in source.shards:
        for block in BlockReader(source, parts.encoder, depth=0).blocks(shard):
            state = parts.learner.step(state, block)
            y = parts.learner.objective.target(block)
            far = max(far, float(np.sqrt(np.mean(y * y)))) if len(y) else far
    return replace(parts, state=state, far=far)


def _copy(source: Source) -> Any:
    """Return a copy of a small table, of which the caller may reuse the memory; None for all else."""
    if not isinstance(source, TableSource) or source.n_rows > EARLY_ROWS:
        return None
    return source.table.take(pa.array(np.arange(source.table.num_rows)))
