"""Category columns of the frame that a forest of another library was trained on: from raw values to its codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from scalable.data.values import numbers
from scalable.errors import DataError, ModelError
from scalable.features.categories import category_codes
from scalable.inference.forest.trees import Forest


def levels_of(forest: Forest) -> dict[str, list[Any]]:
    """Return the levels of each category column, all texts or all numbers, by its name.

    Raises
    ------
    ModelError
        Values could not be told from codes: levels are of several types, or numbers, and nobody says of what column.
    """
    told, columns = forest.categories or [], forest.category_columns
    for levels in told:
        sorts = {str if type(level) is str else float for level in levels}
        known = len(sorts) == 1 and all(type(level) in (str, bool, int, float) for level in levels)
        if levels and (
            not known or (columns is None and levels != list(range(len(levels))) and str not in sorts)
        ):
            raise ModelError(
                f"was trained on a frame with category columns (one of {str(levels)[:60]}), and which column that was, "
                "or what its values are, is not told; give such frames to compile_model(FILE).predict"
            )
    return {forest.feature_names[k]: levels for k, levels in zip(columns or [], told, strict=False) if levels}


def codes_of(array: pa.Array, name: str, levels: Sequence[Any] | None, by_value: bool) -> NDArray[Any]:
    """Return a column as the numbers that trees split: its own, or the codes of its levels, NaN where there is none.

    Beside levels that are texts, numbers are taken for codes. Where the library splits categories `by_value`, they are
    numbers.

    Raises
    ------
    DataError
        It is text where numbers are split, or holds numbers where the levels are texts, or the reverse.
    """
    texts = levels is not None and type(levels[0]) is str
    if pt.is_dictionary(array.type):
        holds_texts = not pt.is_primitive(array.type.value_type)
        if by_value and not holds_texts:
            return numbers(array.dictionary_decode())
        if levels is None or holds_texts != texts:
            expected = (
                "splits numbers" if levels is None else f"was trained on categories such as {levels[0]!r}"
            )
            raise DataError(
                f"column {name!r} is {'text' if holds_texts else array.type.value_type}, but the forest {expected}; "
                "give its codes, or the directory that `scalable train --model` wrote"
            )
        return category_codes(array, levels, np.empty(len(array)), unknown=np.nan, missing=np.nan)
    found = numbers(array)
    if levels is None or texts:
        return found
    known = np.array(levels, np.float64)
    order = np.argsort(known)
    place = order[np.minimum(np.searchsorted(known, found, sorter=order), len(known) - 1)]
    return np.where(known[place] == found, place, np.nan)
