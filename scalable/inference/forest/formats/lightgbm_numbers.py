"""The numbers in the trees of a model text: one parse a key for all trees, one a tree where that finds damage."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scalable.inference.forest.formats.lightgbm_text import damaged

_LIMITS: dict[type, tuple[int, int]] = {
    kind: (int(np.iinfo(kind).min), int(np.iinfo(kind).max))
    for kind in (np.uint8, np.int32, np.uint32, np.int64)
}
_STRANGE = ("  ", "\t", "\r", "\v", "\f")  # never written by LightGBM; they would blur where a tree ends


def all_numbers(trees: Sequence[dict[str, str]], key: str, counts: Sequence[int], dtype: type) -> np.ndarray:
    """Return the numbers of one key of all trees, tree after tree.

    Parameters
    ----------
    trees : sequence of dict
        Lines of each tree by key.
    key : str
    counts : sequence of int
        Numbers each tree should have; lines of trees that should have none are not looked at.
    dtype : type
        float64, or an integer type whose range the numbers must fit.

    Raises
    ------
    ModelError
        Names the tree whose line is missing, too short, too long, or holds something else.
    """
    lines = [tree.get(key, "") for tree, count in zip(trees, counts, strict=True) if count]
    wanted = [count for count in counts if count]
    if all(line.count(" ") + 1 == count for line, count in zip(lines, wanted, strict=True)):
        joined = " ".join(lines)
        values = None if any(s in joined for s in _STRANGE) else _parsed(joined, dtype)
        if values is not None and len(values) == sum(wanted):
            return values
    found = [
        numbers(tree, key, f"tree {i}", count, dtype)
        for i, (tree, count) in enumerate(zip(trees, counts, strict=True))
        if count
    ]
    return np.concatenate(found) if found else np.empty(0, dtype)


def numbers(tree: dict[str, str], key: str, where: str, count: int, dtype: type) -> np.ndarray:
    """Return the `count` numbers of one line of one tree; see `all_numbers`."""
    text = tree.get(key)
    if text is None:
        raise damaged(where, f"'{key}' is missing")
    values = _parsed(text, dtype)
    if values is None:
        raise damaged(where, f"'{key}' has an entry that is not a valid {np.dtype(dtype).name}")
    if len(values) != count:
        raise damaged(
            where, f"'{key}' should have {count} numbers, found {len(values)} valid {np.dtype(dtype).name}"
        )
    return values


def _parsed(text: str, dtype: type) -> np.ndarray | None:
    """Return the numbers of a line; None when one is invalid."""
    wide = np.float64 if dtype is np.float64 else np.int64
    if "(" in text:  # NumPy takes nan(...) for a number, LightGBM does not
        return None
    try:
        values = np.fromstring(text, wide, sep=" ") if text.strip() else np.empty(0, wide)
    except (ValueError, DeprecationWarning):  # NumPy stops at what is no number, with an error or a warning
        return None
    if dtype is np.float64 and "nan" in text and len(values) == len(words := text.split()):
        return np.copysign(
            values, [-1.0 if word[0] == "-" else 1.0 for word in words]
        )  # NumPy loses NaN's sign
    if dtype is np.float64 or not len(values):
        return values.astype(dtype, copy=False)
    low, high = _LIMITS[dtype]
    return values.astype(dtype) if low <= values.min() and values.max() <= high else None
