"""Training a version of the desk's model, with its reference, into the registry; champion against challenger."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.desk.world import World, labelled
from scalable.boosting import LGBMClassifier
from scalable.data.source import Source
from scalable.execution.threads import Threads
from scalable.models.predictors import load_model
from scalable.monitor import learn_profile, save_profile
from scalable.registry import Registry
from scalable.scoring.compare import compare_models
from scalable.scoring.evaluate import evaluate_model

TREES = 60


def train(
    registry: Registry, world: World, days: Sequence[int], held: Sequence[int], note: str, parent: str = ""
) -> int:
    """Train on some days out of core, keep held-out days as the reference; return the version."""
    return record(registry, world.rows(days), world.rows(held), world.home / "model", note, parent)


def record(registry: Registry, source: Source, held: Source, place: Path, note: str, parent: str = "") -> int:
    """Train on a source; return the version."""
    executor = Threads()
    model = LGBMClassifier(n_estimators=TREES, num_leaves=31, learning_rate=0.1, n_workers=1, random_state=0)
    model.fit(source).save(place)
    predictor = load_model(place)
    save_profile(place, learn_profile(predictor, source, executor, held_out=held))
    report: Any = evaluate_model(predictor, held, executor)
    metrics = {"auc": report.auc, "log_loss": report.log_loss}
    return registry.record(
        "fraud", place, data=source.fingerprint(), parameters={"n_estimators": TREES}, metrics=metrics,
        parents=[parent] if parent else [], note=note,
    )  # fmt: skip


def better(registry: Registry, champion: int, challenger: int, world: World, day: int) -> dict[str, Any]:
    """Return the row of log loss of both models on the same shadow traffic, labels known."""
    models = [load_model(registry.model("fraud", str(number))[1]) for number in (champion, challenger)]
    rows = compare_models(models[0], models[1], labelled([world.day(day)]), Threads())
    return next(row for row in rows if row["metric"] == "log_loss")
