"""`compile_model`: from anything that is a model to the predictor that runs it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from scalable.errors import ModelError, UsageError
from scalable.inference.classifier import CompiledClassifier
from scalable.inference.forest.compiled import CompiledForest
from scalable.inference.forest.faces import faced, load_compiled
from scalable.inference.forest.file import is_compiled
from scalable.inference.forest.formats import forest_of_bytes, forest_of_file, forest_of_object
from scalable.inference.linear_row import CompiledLinear
from scalable.models.foreign import compile_foreign, with_labels
from scalable.models.kinds import compiled_of
from scalable.models.store import StoredModel, read_model
from scalable.registry.address import model_path

Compiled = CompiledForest | CompiledClassifier | CompiledLinear


def _from_path(path: Path) -> Compiled:
    if path.is_dir():
        stored = read_model(path)
        try:
            found: Compiled = compiled_of(stored)
            return found
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from error
    if path.is_file() and is_compiled(path):
        return load_compiled(path)
    return faced(CompiledForest(forest_of_file(path)))


def compile_model(model: Any) -> Compiled:
    """Compile a model to a predictor that returns the original's bits, faster.

    Parameters
    ----------
    model : fitted estimator, lightgbm.Booster, str or path
        An estimator of this package; a forest of a library that `scalable.inference.forest.formats` reads, fitted, as
        text or in a file; a linear estimator that `scalable.models.foreign` lists; a saved model directory; or
        ``registry:NAME@ALIAS``.

    Returns
    -------
    CompiledForest, CompiledClassifier or CompiledLinear
        All have ``predict(X)`` and ``predict_one(x)``, which answer as the model's own `predict` does: a Booster with
        probabilities, a classifier with labels (it has ``predict_proba`` too).

    Raises
    ------
    ModelError
        The model is damaged, or something in it is not supported (named).
    UsageError
        It is no model that is known.

    Examples
    --------
    >>> import numpy as np
    >>> from scalable.boosting import LGBMClassifier
    >>> from scalable.inference import compile_model
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> y = x[:, 0] > 0.0
    >>> model = LGBMClassifier(n_estimators=5, n_workers=1).fit(x, y)
    >>> fast = compile_model(model)
    >>> np.array_equal(fast.predict_proba(x), model.predict_proba(x))
    True
    """
    if isinstance(model, str) and "\n" in model:
        return faced(CompiledForest(forest_of_bytes(model.encode())))
    if isinstance(model, str | os.PathLike):
        return _from_path(model_path(model))
    if type(model).__name__ == "CVBooster":
        raise UsageError("a CVBooster holds a Booster for each fold; compile one of its `boosters`")
    stored = _as_stored(model)
    if stored is not None:
        compiled: Compiled = compiled_of(stored)
        return with_labels(compiled, model.classes_) if hasattr(model, "predict_proba") else compiled
    forest = forest_of_object(model)
    return compile_foreign(model) if forest is None else faced(CompiledForest(forest))


def _as_stored(model: Any) -> StoredModel | None:
    """Return an estimator of this package as it would be saved; None for anything else."""
    # It takes a second to load: where nobody has, nothing is one.
    own = sys.modules.get("scalable.models.estimator")
    if own is None or not isinstance(model, own.Estimator):
        return None
    stored: StoredModel = model.stored()
    return stored
