"""Whether a fit is of queries, and what they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from scalable.boosting.native.settings import flag
from scalable.boosting.objectives import RANKING
from scalable.boosting.params import Params
from scalable.boosting.ranking.queries import MOST_ROWS, Queries, find_queries
from scalable.boosting.ranking.query_metrics import gains_of
from scalable.boosting.training.metrics import wants_queries
from scalable.boosting.user_functions import takes_queries
from scalable.data.source import Source
from scalable.errors import UsageError
from scalable.execution.executors import Executor


@dataclass(frozen=True, slots=True)
class WantedQueries:
    """What a fit needs to know of queries.

    Attributes
    ----------
    n_gains : int
        Labels that have a gain; 0 where gains are not asked for.
    most : int or None
        Rows that a query of training may have.
    """

    n_gains: int
    most: int | None

    def find(self, source: Source, valid: Sequence[Source], executor: Executor) -> tuple[Queries, ...]:
        """Return the queries of the training rows, then of each validation set.

        Raises
        ------
        DataError, UsageError
            When no column names them, or they cannot be ranked.
        """
        return (
            find_queries(source, executor, n_gains=self.n_gains, most=self.most),
            *(find_queries(held, executor, n_gains=self.n_gains) for held in valid),
        )


def wanted_queries(
    params: Params,
    metrics: tuple[Any, Sequence[str]],
    functions: Sequence[Callable[..., Any]],
    *,
    classify: bool,
    validated: bool,
) -> WantedQueries | None:
    """Return what objective, metrics or bagging need to know of queries; None where rows stand alone.

    Parameters
    ----------
    params : Params
        Of the fit.
    metrics : tuple of (str, sequence of str or None, sequence of str)
        The parameter ``metric``, and what is evaluated before it.
    functions : sequence of callable
        Objective and metrics that the user wrote.
    classify : bool
        Whether the target's values are classes.
    validated : bool
        Whether there are validation rows.

    Raises
    ------
    UsageError
        When classes would be ranked, or queries cut.
    """
    ranking = params.objective in RANKING
    if ranking and classify:
        raise UsageError(
            f"objective {params.objective!r} needs query groups and labels that are numbers: use LGBMRanker"
        )
    if ranking and params.rotation.on:
        raise UsageError(
            f"objective {params.objective!r} cannot rotate: its pieces of rows would cut queries; use boosting='gbdt'"
        )
    by_query = wants_queries(metrics[0], params.objective, metrics[1]) if validated else set[str]()
    asked = any(map(takes_queries, functions)) or flag(params.values.get("bagging_by_query", False))
    if not (ranking or by_query or asked):
        return None
    n_gains = len(gains_of(params.values)) if ranking or "ndcg" in by_query else 0
    return WantedQueries(n_gains, MOST_ROWS if ranking else None)
