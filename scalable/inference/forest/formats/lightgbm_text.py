"""Read the structure of LightGBM's text model format, refusing what is damaged.

The format is a header of ``key=value`` lines, one block per tree, ``end of trees``, then notes that prediction
does not need, except ``pandas_categorical``. Nothing is evaluated and no size in the text is trusted. The numbers
within the trees are read by ``tree_numbers``, all trees at once.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field

from scalable.errors import ModelError

MAX_LEAVES = 131_072  # LightGBM's own limit on num_leaves
_GAINS = "\n[label_gain: "


@dataclass(slots=True)
class TextModel:
    """A model taken apart: `objective` is None for custom objectives, whose scores pass unchanged.

    Attributes
    ----------
    category_columns : list of int or None
        The features that `pandas_categorical` speaks of, in its order; None where the text does not tell.
    trees : list of dict
        The ``key=value`` lines of each tree, values unread.
    leaves : list of int
        Leaves of each tree.
    """

    num_class: int
    trees_per_iteration: int
    n_features: int
    feature_names: list[str]
    objective: str | None
    average_output: bool
    trees: list[dict[str, str]]
    leaves: list[int]
    pandas_categorical: list[list[object]] = field(default_factory=list)
    category_columns: list[int] | None = None


def damaged(where: str, what: str) -> ModelError:
    """Return the error for text that is not as LightGBM writes it."""
    return ModelError(f"LightGBM model text, {where}: {what}; save the model again with Booster.save_model")


def gains_of_text(text: str) -> tuple[float, ...]:
    """Return the gain of each label that the notes of a text tell; none where they tell none."""
    at = text.rfind(_GAINS)
    if at < 0:
        return ()
    words = text[at + len(_GAINS) : text.find("]", at)].split(",")
    try:
        gains = tuple(float(word) for word in words if word.strip())
    except ValueError:
        raise damaged("label_gain", "is no list of numbers") from None
    if not all(0.0 <= gain < math.inf for gain in gains):
        raise damaged("label_gain", "holds what is no gain")
    return gains


def _tree_starts(text: str, end: int) -> list[int]:
    """Return where the lines "Tree=..." begin."""
    starts = []
    at = text.find("\nTree=", 0, end)
    while at >= 0:
        starts.append(at + 1)
        at = text.find("\nTree=", at + 1, end)
    return starts


def _pairs(block: str) -> dict[str, str]:
    return {key: value for key, _, value in (line.partition("=") for line in block.split("\n")) if key}


def integer(pairs: dict[str, str], key: str, where: str, low: int, high: int) -> int:
    """Return the integer of one line, which must lie in [low, high]."""
    text = pairs.get(key)
    if text is None:
        raise damaged(where, f"'{key}' is missing")
    try:
        value = int(text)
    except ValueError:
        raise damaged(where, f"'{key}' should be an integer, found {text[:40]!r}") from None
    if not low <= value <= high:
        raise damaged(where, f"'{key}' should lie in [{low}, {high}], found {value}")
    return value


def _pandas_categorical(tail: str) -> list[list[object]]:
    match = re.search(r"^pandas_categorical:(.*)$", tail, re.M)
    if match is None:
        return []
    try:
        levels = json.loads(match.group(1))
    except (ValueError, RecursionError):
        raise damaged("last line", "'pandas_categorical' is not valid JSON") from None
    if levels is None:
        return []
    if not isinstance(levels, list) or not all(isinstance(level, list) for level in levels):
        raise damaged("last line", "'pandas_categorical' should be a list of lists")
    return levels


def _category_columns(infos: list[str], n_features: int, n_levels: int) -> list[int] | None:
    """Return the features that are told to be categories; None where they are not those of so many lists of levels.

    A constant column is told as "none", and a category with an order as the range of its codes.
    """
    found = [k for k, info in enumerate(infos) if info != "none" and not info.startswith("[")]
    return found if len(infos) == n_features and len(found) == n_levels else None


def parse_text(text: str) -> TextModel:
    """Take a model apart that ``Booster.model_to_string`` or ``save_model`` wrote.

    Parameters
    ----------
    text : str
        The whole file.

    Returns
    -------
    TextModel

    Raises
    ------
    ModelError
        The text is not a LightGBM model, is truncated, or contradicts itself.
    """
    # A mark that editors put there, line ends that Windows and git do; sizes of trees are told without either.
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if not text.startswith("tree\n"):
        raise damaged("line 1", f"should be 'tree', found {text.partition(chr(10))[0][:40]!r}")
    end = text.find("\nend of trees")
    if end < 0:
        raise damaged("end", "'end of trees' is missing, the file is truncated")
    starts = _tree_starts(text, end)
    before = text[: starts[0]] if starts else text[:end]
    header = _pairs(before)
    where = "header"
    num_class = integer(header, "num_class", where, 1, 1_000_000)
    per_iteration = integer(header, "num_tree_per_iteration", where, 1, 1_000_000)
    if per_iteration != num_class:
        raise damaged(where, f"{per_iteration} trees per iteration for {num_class} classes or outputs")
    n_features = integer(header, "max_feature_idx", where, 0, 2**31 - 2) + 1
    names = header.get("feature_names", "").split(" ")
    if len(names) != n_features:
        raise damaged(where, f"'feature_names' should have {n_features} names, found {len(names)}")
    if len(starts) % per_iteration:
        raise damaged(where, f"{len(starts)} trees do not divide into iterations of {per_iteration}")
    sizes = header.get("tree_sizes", "").split()
    if "tree_sizes" in header and len(sizes) != len(starts):
        raise damaged("header", f"'tree_sizes' announces {len(sizes)} trees, found {len(starts)}")
    levels = _pandas_categorical(text[end:])
    trees, leaves = [], []
    for i, start in enumerate(starts):
        stop = starts[i + 1] if i + 1 < len(starts) else end + 1
        first = text.find("\n", start)
        if text[start:first] != f"Tree={i}" or (sizes and sizes[i] != str(stop - start)):
            raise damaged(
                f"tree {i}", "its length differs from 'tree_sizes': the file was truncated or edited"
            )
        pairs = _pairs(text[first + 1 : stop])
        leaves.append(integer(pairs, "num_leaves", f"tree {i}", 1, MAX_LEAVES))
        trees.append(pairs)
    return TextModel(
        num_class,
        per_iteration,
        n_features,
        names,
        header.get("objective", "").strip() or None,
        "average_output" in before.split("\n"),
        trees,
        leaves,
        levels,
        _category_columns(header.get("feature_infos", "").split(" "), n_features, len(levels)),
    )
