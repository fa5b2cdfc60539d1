"""Models of earlier releases, read as those of today."""

from __future__ import annotations

from typing import Any

from scalable.models.store import StoredModel

RENAMED = {"n_lanes": "n_replicas"}  # parameters that saved models know by an older name


def learner_of(stored: StoredModel) -> dict[str, Any]:
    """Return who saved a model: ``estimator`` (its class), ``params`` and ``fitted``, as `parameter_json` has them.

    Release 0.1.0 kept them under ``info`` (linear models) or beside the encoder (forests).
    """
    meta = stored.meta
    if "learner" in meta:
        return dict(meta["learner"])
    if "info" in meta:
        fitted = dict(meta["info"].get("fitted", {}))
        names = [column["name"] for column in meta["encoder"]["columns"]]
        # Frames of numbers only lost their names then.
        named = fitted.pop("named", False) and names != [f"x{j}" for j in range(len(names))]
        fitted |= {"n_features_in_": len(names), "by_name": named} | ({"names": names} if named else {})
        params = {RENAMED.get(name, name): value for name, value in meta["info"].get("params", {}).items()}
        return {"estimator": meta["info"].get("estimator"), "params": params, "fitted": fitted}
    names = [column["name"] for column in meta["encoder"]["columns"]]
    estimator = "LGBMRegressor" if meta["classes"] is None else "LGBMClassifier"
    fitted = {"n_features_in_": len(names), "by_name": True, "names": names}
    return {"estimator": estimator, "params": meta.get("params", {}), "fitted": fitted}
