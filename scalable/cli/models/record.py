"""Recording a version with what a command knows: commit, packages, machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

NO_METRICS = ("n_rows", "held_out")


def record(registry: Path | None, name: str, model: Path, **known: Any) -> int:
    """Copy a model into the registry that is meant; return its number. See `Registry.record`."""
    from scalable import __version__
    from scalable.registry.address import registry_path
    from scalable.registry.registry import Registry
    from scalable.report import environment

    code = {"scalable": __version__, "commit": environment.git_commit()}
    facts = {"versions": environment.versions(), "machine": environment.machine()}
    return Registry(registry_path(registry)).record(name, model, code=code, environment=facts, **known)


def metrics_of(quality: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a ``quality`` row; named ``train_...`` when it says they are not of held-out rows."""
    before = "train_" if quality.get("held_out") is False else ""
    return {
        before + key: float(value)
        for key, value in quality.items()
        if type(value) in (int, float) and key not in NO_METRICS
    }
