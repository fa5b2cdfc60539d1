"""One parser a library: to add one, a file with the four functions below, and a line in `FORMATS`.

``reads(model) -> bool``: whether a fitted object is the library's (told by its class, so that nothing is imported);
``of_object(model) -> Forest``; ``recognises(data: bytes) -> bool``: whether a file's content is its;
``of_bytes(data) -> Forest``.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from scalable.errors import ModelError
from scalable.inference.forest.formats.not_read import told
from scalable.inference.forest.trees import Forest

FORMATS = {
    "lightgbm": "scalable.inference.forest.formats.lightgbm_trees",
    "xgboost": "scalable.inference.forest.formats.xgboost",
    "catboost": "scalable.inference.forest.formats.catboost",
    "scikit-learn": "scalable.inference.forest.formats.scikit_learn",
}


def forest_of_object(model: Any) -> Forest | None:
    """Return the forest of a fitted object, None where no library here knows it.

    Raises
    ------
    ModelError
        The library is known, but something in the model is not supported (named).
    """
    for module in FORMATS.values():
        parser = importlib.import_module(module)
        if parser.reads(model):
            found: Forest = parser.of_object(model)
            return found
    return None


def forest_of_bytes(data: bytes) -> Forest:
    """Return the forest of a model file's content.

    Raises
    ------
    ModelError
        Not the content of a model of any of these libraries, or damaged.
    """
    for module in FORMATS.values():
        parser = importlib.import_module(module)
        if parser.recognises(data):
            found: Forest = parser.of_bytes(data)
            return found
    what = told(data) or (
        f"it begins with {data[:20]!r}; give LightGBM's text, JSON or UBJSON of XGBoost, JSON of CatBoost, or what "
        "compile_model(...).save wrote"
    )
    raise ModelError(f"not a model that can be read here: {what}")


def forest_of_file(path: str | os.PathLike[str]) -> Forest:
    """Return the forest of a model file; see `forest_of_bytes`."""
    try:
        return forest_of_bytes(Path(path).read_bytes())
    except FileNotFoundError:
        raise ModelError(f"{path}: no such model file or directory") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
