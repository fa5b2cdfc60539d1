"""The first score of a model, right after training: on held-out rows where there are some, else on rows it has seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scalable.data.source import Source
from scalable.storage.places import place

SHOWN = ("auc", "log_loss", "accuracy", "rmse", "r2", "ndcg_1", "ndcg_5", "ndcg_10", "map_10")
SEEN_SHARDS = 2  # of the training rows: a score that is too good anyway needs no more


def score(model: Path, source: Source, held_out: bool, report: Any = None) -> dict[str, Any]:
    """Return the quality of a saved model on a source (`report`, if it is known), or on a part of its training rows."""
    from scalable.execution.threads import Threads
    from scalable.models.predictors import load_model
    from scalable.scoring.evaluate import evaluate_model, quality_row
    from scalable.scoring.queries import evaluate_queries, order_rows

    predictor = load_model(model)
    if source.roles.group is not None:
        if not held_out:
            source = source.with_shards(source.shards[:SEEN_SHARDS])
        report = evaluate_queries(predictor, source, Threads())
        return {**order_rows(str(place(model)), report)[0], "held_out": held_out}
    if not held_out and len(source.shards) > SEEN_SHARDS:
        source = source.split(every=-(-len(source.shards) // SEEN_SHARDS))[1]
    report = report or evaluate_model(predictor, source, Threads())
    row = quality_row(str(place(model)), report, predictor.classes)
    return {**row, "held_out": held_out}


def in_words(quality: dict[str, Any], model: Path, target: str) -> str:
    """Return one line: the scores, and on which rows."""
    known = [name for name in SHOWN if quality.get(name) is not None]
    facts = ", ".join(f"{name.replace('_', ' ')} {quality[name]:.5g}" for name in known)
    rows = f"{quality.get('rows', quality.get('n_rows', 0)):,.0f}"
    if quality["held_out"]:
        return f"on {rows} held-out rows: {facts}"
    also = " --group COL" if "ndcg_1" in quality else ""
    return (
        f"on {rows} of the rows it was trained on: {facts} (too good by nature: give --valid, or "
        f"scalable evaluate {place(model)} HELD_OUT --target {target}{also})"
    )
