"""A forest with the face of the model it was compiled from; files of compiled forests with theirs."""

from __future__ import annotations

import os

from scalable.inference.classifier import CompiledClassifier
from scalable.inference.forest.compiled import CompiledForest
from scalable.inference.forest.file import read_compiled


def faced(forest: CompiledForest) -> CompiledForest | CompiledClassifier:
    """Return a classifier's forest as one, any other as it is."""
    labels = forest.forest.labels
    return forest if labels is None else CompiledClassifier(forest, labels)


def load_compiled(path: str | os.PathLike[str]) -> CompiledForest | CompiledClassifier:
    """Read what `save` wrote; the file may be replaced afterwards.

    Raises
    ------
    ModelError
        Not such a file, of another version, truncated or altered.

    Examples
    --------
    >>> import lightgbm, numpy as np
    >>> from scalable.inference import compile_model, load_compiled
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> booster = lightgbm.train({"verbosity": -1}, lightgbm.Dataset(x, x[:, 0]), 5)
    >>> compile_model(booster).save("model.forest")
    >>> load_compiled("model.forest").predict_one(x[0]) == booster.predict(x[:1])[0]
    np.True_
    """
    found = read_compiled(path)
    made = CompiledForest(found.forest)
    made.programs.adopt(found.plan, found.frozen)
    return faced(made)
