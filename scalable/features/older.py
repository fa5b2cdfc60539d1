"""States of encoders as models of earlier versions hold them, brought to today's form."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.features.state import FORMAT, State

_ACTIONS = {"levels": "known", "hash": "hashed"}


def upgraded(state: State) -> State:
    """Return a state of today's format.

    Raises
    ------
    ValueError
        When it is of a format that is not known, or its tables are damaged.
    """
    document = dict(state.document)
    if "format" in document:
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']!r}, this version reads {FORMAT}")
        return state
    document["format"] = FORMAT
    arrays: dict[str, NDArray[Any]] = {}
    if "n_bins" in document:
        document["n_buckets"] = document.pop("n_bins")
        document["columns"] = [_linear_column(column) for column in document["columns"]]
        return State(document)
    document["columns"] = [_tree_column(column, k, arrays) for k, column in enumerate(document["columns"])]
    document["pairs"] = [
        {"names": pair["names"], "means": _means(pair["rates"], f"pair{k}", arrays)}
        for k, pair in enumerate(document.get("pairs", ()))
    ]
    return State(document, arrays)


def _of_values(arrow_type: str, kind: str) -> str:
    """Return the type that numbers in a dictionary were read as."""
    found = re.fullmatch(r"dictionary<values=(.+), indices=\w+, ordered=[01]>", arrow_type)
    return arrow_type if kind == "text" or found is None else found[1]


def _linear_column(column: Mapping[str, Any]) -> dict[str, Any]:
    renamed = {**column, "arrow_type": _of_values(column["arrow_type"], column["kind"])}
    renamed["categories"] = renamed.pop("levels")
    renamed["action"] = _ACTIONS.get(column["action"], column["action"])
    return renamed


def _tree_column(column: Mapping[str, Any], k: int, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    means = None if column["rates"] is None else _means(column["rates"], f"means{k}", arrays)
    return {
        "name": column["name"],
        "arrow_type": _of_values(column["type"], column["kind"]),
        "kind": column["kind"],
        "categories": column["levels"],
        "means": means,
    }


def _means(data: Mapping[str, Any], name: str, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Take a table of means out of a document; return the rest."""
    width = len(data["prior"]) + 1
    try:
        if "table" not in data:  # the first models: two tables of float64
            flat = b"".join(zlib.decompress(base64.b64decode(data[part])) for part in ("means", "shares"))
            columns = np.frombuffer(flat, "<f8")
        else:
            kind = np.dtype(data["dtype"])
            if kind not in (np.dtype("<f4"), np.dtype("<f8")):
                raise ValueError(f"a table of {kind}")
            flat = zlib.decompress(base64.b64decode(data["table"]))
            planes = np.frombuffer(flat, np.uint8).reshape(
                kind.itemsize, -1
            )  # the highest bytes of all values first
            columns = np.ascontiguousarray(planes.T).view(kind).reshape(-1)
    except zlib.error as error:
        raise ValueError(f"its tables cannot be unpacked ({error})") from error
    table = columns.reshape(width, -1).T
    arrays[name] = np.ascontiguousarray(table.astype(table.dtype.newbyteorder("=")))
    old_hash = "crc32" if "table" not in data else data["hash"]
    return {"prior": data["prior"], "strength": data.get("strength", []), "hash": old_hash, "table": name}
