"""From a model's objective string to the transform of its raw scores."""

from __future__ import annotations

from dataclasses import dataclass

from scalable.errors import ModelError
from scalable.kernels.forest.links import EXP, IDENTITY, LOG1P_EXP, SIGMOID, SIGNED_SQUARE, SOFTMAX

_PLAIN = {
    "regression", "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank", "rank_xendcg", "custom",
}  # fmt: skip
_FIXED = {
    "poisson": EXP, "gamma": EXP, "tweedie": EXP, "cross_entropy": SIGMOID, "cross_entropy_lambda": LOG1P_EXP,
    "multiclass": SOFTMAX,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Link:
    """A transform: `kind` is a code of ``scalable.kernels.forest.links``, `scale` the sigmoid's slope."""

    name: str
    kind: int
    scale: float = 1.0


def link_of(objective: str | None) -> Link:
    """Return the link of an objective as the text format writes it, e.g. ``"binary sigmoid:1"``.

    Raises
    ------
    ModelError
        The objective is unknown.
    """
    if objective is None:
        return Link("none", IDENTITY)
    name, *options = objective.split()
    settings = dict(option.split(":", 1) for option in options if ":" in option)
    if name in ("binary", "multiclassova"):
        try:
            return Link(name, SIGMOID, float(settings.get("sigmoid", "1")))
        except ValueError:
            raise ModelError(f"objective {objective!r}: 'sigmoid' should be a number") from None
    if name in _FIXED:
        return Link(name, _FIXED[name])
    if name in _PLAIN:
        return Link(name, SIGNED_SQUARE if "sqrt" in options else IDENTITY)
    known = sorted(_PLAIN | set(_FIXED) | {"binary", "multiclassova"})
    raise ModelError(f"objective {name!r} is not one whose output transform is known ({', '.join(known)})")
