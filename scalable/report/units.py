"""What the name of a number says: its unit, how to write it, and whether more of it is better."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scalable.report import format as fmt

# metric: (heading, larger is better)
METRICS = {
    "auc": ("AUC", True),
    "average_precision": ("PR-AUC", True),
    "log_loss": ("Log loss", False),
    "brier": ("Brier", False),
    "calibration_error": ("Calibration error", False),
    "ks": ("KS", True),
    "accuracy": ("Accuracy", True),
    "auc_macro": ("Macro AUC", True),
    "rmse": ("RMSE", False),
    "mae": ("MAE", False),
    "r2": ("R²", True),
    "poisson_deviance": ("Poisson deviance", False),
    "ndcg_1": ("NDCG@1", True),
    "ndcg_5": ("NDCG@5", True),
    "ndcg_10": ("NDCG@10", True),
    "map_10": ("MAP@10", True),
}
_SCALED = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "seconds": 1.0}
_RELATIVE = {"ratio", "share", "fraction", "over", "times"}  # of two times or sizes: a bare number
_KEPT = {"auc": "AUC", "cpu": "CPU", "p999": "p99.9", "p9999": "p99.99", "pss": "PSS"}


@dataclass(frozen=True, slots=True)
class Unit:
    """How numbers of one name are written; `larger_is_better` is None where neither way is better.

    `kind` is "time", "memory", "rate", "quality" or "" for numbers whose name tells nothing.
    """

    heading: str
    kind: str
    write: Callable[[float], str]
    larger_is_better: bool | None = None


def unit(key: str) -> Unit:
    """Return what is known of the numbers called `key`, e.g. ``fit_seconds`` or ``p50_us``.

    Results documents name units by convention: a trailing ``_us``, ``_ns_per_row``, ``seconds``, ``bytes``
    or ``rows_per_second``; metrics by their own names.
    """
    if key in METRICS:
        heading, larger = METRICS[key]
        return Unit(heading, "quality", fmt.score, larger)
    words = str(key).replace("_", " ").split()
    if not words or _RELATIVE & set(words):
        return Unit(_capital(words), "", fmt.anything)
    if words[-2:] == ["per", "second"]:
        scale = 1e6 if words[0] == "million" else 1.0
        shown = words[1:-2] if words[0] == "million" else words[:-2]
        return Unit(_capital([*shown, "/", "s"]), "rate", lambda value: fmt.count(value * scale), True)
    if "bytes" in words:
        rest = words[:-1] if words[-1] == "bytes" and len(words) > 1 else words
        # what was written or sent is a fact; only what is held in memory is a cost
        larger_is_better = False if {"peak", "memory"} & set(words) else None
        return Unit(_capital(rest), "memory", fmt.size, larger_is_better)
    if words[0] in _SCALED and len(words) == 2:  # ns_1e7: at that size
        return Unit(_capital(["time", words[1]]), "time", _duration(_SCALED[words[0]]), False)
    for name, scale in _SCALED.items():
        last = words[-1] == name
        if name in words and (last or words[words.index(name) + 1] == "per"):
            at = words.index(name)
            rest = words[:at] + (["time"] if name == "seconds" else [])
            rest += [] if last else ["a", *words[at + 2 :]]
            return Unit(_capital(rest or ["time"]), "time", _duration(scale), False)
    return Unit(_capital(words), "", fmt.anything)


def _duration(scale: float) -> Callable[[float], str]:
    """Return the writer of durations given in units of `scale` seconds."""
    return lambda value: fmt.seconds(value * scale)


def written(value: Any, how: Unit) -> str:
    """Return a number, or a list of at most eight, in its unit; anything else as it is."""
    if isinstance(value, list) and 0 < len(value) <= 8:
        return ", ".join(written(item, how) for item in value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return how.write(value)
    return fmt.anything(value)


def _capital(words: list[str]) -> str:
    """Return a heading of these words."""
    text = " ".join(_KEPT.get(word, word) for word in words)
    return text[:1].upper() + text[1:] if text.split(" ")[0].isalpha() else text
