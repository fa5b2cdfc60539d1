"""The reference that training keeps in the model, for `scalable monitor`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scalable.data.source import Source


def keep_profile(
    model: Path, source: Source, held_out: Source | None, client: str | None, workers: int | None,
    *, measured: bool = False,
) -> Any:  # fmt: skip
    """Count the training rows, and predictions and labels of held-out rows where there are some, into the model.

    Returns the quality on the held-out rows, where it is to be `measured` and all of them were counted, else None.
    """
    from scalable.execution.executors import get_executor
    from scalable.models.predictors import load_model
    from scalable.monitor.profile import learn_profile, save_profile

    predictor = load_model(model)
    with get_executor(client, workers) as executor:
        seen = held_out is None
        found = learn_profile(predictor, source, executor, held_out=held_out, seen=seen, measured=measured)
    save_profile(model, found)
    return found.quality
