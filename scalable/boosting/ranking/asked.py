"""Whether a fit is of queries, and what they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


def queries_of(
    source: Source,
    valid: Sequence[Source],
    params: Params,
    metrics: tuple[Any, Sequence[str]],
    functions: Sequence[Callable[..., Any]],
    executor: Executor,
    *,
    classify: bool,
) -> tuple[Queries, ...]:
    """Find the queries of training and validation rows, where objective, metrics or bagging are of queries.

    Parameters
    ----------
    source : Source
        Training rows.
    valid : sequence of Source
        Validation rows.
    params : Params
        Of the fit.
    metrics : tuple of (str, sequence of str or None, sequence of str)
        The parameter ``metric``, and what is evaluated before it.
    functions : sequence of callable
        Objective and metrics that the user wrote.
    executor : Executor
        Who reads the data.
    classify : bool
        Whether the target's values are classes.

    Returns
    -------
    tuple of Queries
        Of the training rows, then of each validation set; empty where rows stand alone.

    Raises
    ------
    DataError, UsageError
        When queries are wanted and no column names them, or they cannot be ranked.
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
    by_query = wants_queries(metrics[0], params.objective, metrics[1]) if valid else set[str]()
    asked = any(map(takes_queries, functions)) or flag(params.values.get("bagging_by_query", False))
    if not (ranking or by_query or asked):
        return ()
    n_gains = len(gains_of(params.values)) if ranking or "ndcg" in by_query else 0
    most = MOST_ROWS if ranking else None
    return (
        find_queries(source, executor, n_gains=n_gains, most=most),
        *(find_queries(held, executor, n_gains=n_gains) for held in valid),
    )
