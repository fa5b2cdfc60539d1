"""Requests and answers of the Open Inference Protocol (V2): a tensor a column, in JSON or as bytes."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.inference.request.json import encode_json, parse_json
from scalable.serve.models import Served
from scalable.serve.refusal import RefusalError

NUMBERS = {
    "BOOL": np.bool_, "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64,
    "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64,
    "FP16": np.float16, "FP32": np.float32, "FP64": np.float64,
}  # fmt: skip
_WHOLE = {
    name: (int(np.iinfo(kind).min), int(np.iinfo(kind).max))
    for name, kind in NUMBERS.items()
    if issubclass(kind, np.integer)
}
_NARROW: dict[str, type[np.floating[Any]]] = {"FP16": np.float16, "FP32": np.float32}
OUTPUT = "prediction"
PLATFORM = "scalable"


def input_types(predictor: Any) -> list[tuple[str, str]]:
    """Return name and datatype of each input of a model: text as BYTES, times as INT64 of their units."""
    found = {"float": "FP64", "integer": "INT64", "boolean": "BOOL", "temporal": "INT64", "text": "BYTES"}
    kinds = {name: kind for name, _, kind in predictor.column_types}
    return [(name, found[kinds[name]]) for name in predictor.needed]


def read_tensors(body: bytes, json_bytes: int | None) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    """Return the columns of a request, and the request itself.

    Parameters
    ----------
    body : bytes
        JSON, then the bytes of binary tensors.
    json_bytes : int or None
        How many are JSON; None for all.

    Raises
    ------
    RefusalError
        400 on wrong shapes and types, sizes that do not fit, or outputs that there are not.
    """
    at = len(body) if json_bytes is None else json_bytes
    if not 0 <= at <= len(body):
        raise RefusalError(400, f"the header says {at} bytes of JSON, the body has {len(body)}")
    asked = parse_json(body[:at])
    inputs = asked.get("inputs") if isinstance(asked, dict) else None
    if not isinstance(inputs, list) or not inputs or not all(isinstance(one, dict) for one in inputs):
        raise RefusalError(400, "expected 'inputs', a list of tensors")
    wanted = asked.get("outputs") or []
    if not isinstance(wanted, list) or any(
        not isinstance(o, dict) or o.get("name") != OUTPUT for o in wanted
    ):
        raise RefusalError(400, f"'outputs' is {wanted!r:.60}, and there is only {OUTPUT!r}")
    columns: dict[str, list[Any]] = {}
    for one in inputs:
        name, shape, kind = one.get("name"), one.get("shape"), one.get("datatype")
        if not isinstance(name, str) or name in columns:
            raise RefusalError(400, f"tensors need names of their own, found {name!r}")
        n = _length(name, shape)
        if not isinstance(kind, str) or (kind != "BYTES" and kind not in NUMBERS):
            raise RefusalError(400, f"tensor {name!r}: unknown datatype {kind!r}")
        size = _parameters(one).get("binary_data_size")
        if size is None:
            columns[name] = _values(name, n, kind, one.get("data"))
            continue
        if type(size) is not int or not 0 <= size <= len(body) - at:
            raise RefusalError(400, f"tensor {name!r}: {size!r} bytes, the body has {len(body) - at} left")
        columns[name] = _from_bytes(name, n, kind, body[at : at + size])
        at += size
    if at != len(body):
        raise RefusalError(400, f"{len(body) - at} bytes behind the last tensor")
    if len({len(values) for values in columns.values()}) != 1:
        lengths = {name: len(values) for name, values in columns.items()}
        raise RefusalError(400, f"tensors have different numbers of rows: {lengths}")
    return columns, asked


def _parameters(part: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of a tensor or a request."""
    found = part.get("parameters")
    if found is not None and not isinstance(found, dict):
        raise RefusalError(400, f"'parameters' is {found!r:.60}, expected an object")
    return found or {}


def _length(name: str, shape: Any) -> int:
    good = isinstance(shape, list) and all(type(n) is int and n >= 0 for n in shape)
    if not good or len(shape) not in (1, 2) or shape[1:] not in ([], [1]):
        raise RefusalError(400, f"tensor {name!r}: shape {shape!r}, expected [rows] or [rows, 1]")
    return int(shape[0])


def _values(name: str, n: int, kind: str, data: Any) -> list[Any]:
    if isinstance(data, list) and data and all(isinstance(one, list) and len(one) == 1 for one in data):
        data = [one[0] for one in data]
    if not isinstance(data, list) or len(data) != n:
        found = len(data) if isinstance(data, list) else type(data).__name__
        raise RefusalError(400, f"tensor {name!r}: data of {found}, its shape says {n}")
    for value in data:
        if value is not None and not _fits(value, kind):
            raise RefusalError(400, f"tensor {name!r}: {value!r:.60} is not {kind}")
    if kind in _NARROW:  # as the same tensor in bytes has them
        return [None if value is None else _NARROW[kind](value).item() for value in data]
    return data


def _fits(value: Any, kind: str) -> bool:
    """Return whether a value of JSON is one of a datatype."""
    if kind in _WHOLE:
        low, high = _WHOLE[kind]
        return type(value) is int and low <= value <= high
    types: dict[str, tuple[type, ...]] = {"BYTES": (str,), "BOOL": (bool,)}
    if type(value) not in types.get(kind, (int, float)):
        return False
    return kind not in _NARROW or abs(value) <= np.finfo(_NARROW[kind]).max


def _from_bytes(name: str, n: int, kind: str, data: bytes) -> list[Any]:
    if kind != "BYTES":
        dtype = np.dtype(NUMBERS[kind]).newbyteorder("<")
        if len(data) != n * dtype.itemsize:
            raise RefusalError(400, f"tensor {name!r}: {len(data)} bytes for {n} values of {kind}")
        return list(np.frombuffer(data, dtype).tolist())
    values, at = [], 0
    try:
        for _ in range(n):
            (size,) = struct.unpack_from("<I", data, at)
            values.append(data[at + 4 : at + 4 + size].decode())
            at += 4 + size
    except (struct.error, UnicodeDecodeError) as error:
        raise RefusalError(400, f"tensor {name!r}: {error}") from None
    if at != len(data):
        raise RefusalError(400, f"tensor {name!r}: {len(data)} bytes, its texts need {at}")
    return values


def answer_tensors(
    served: Served, asked: dict[str, Any], found: NDArray[np.float64]
) -> tuple[bytes, int | None]:
    """Return the body of the answer, and how much of it is JSON where tensors are bytes."""
    first = (asked.get("outputs") or [{}])[0]
    binary = _parameters(asked).get("binary_data_output", False)
    binary = _parameters(first).get("binary_data", binary)
    output: dict[str, Any] = {"name": OUTPUT, "datatype": "FP64", "shape": list(found.shape)}
    if binary:
        output["parameters"] = {"binary_data_size": found.nbytes}
    else:
        output["data"] = found.ravel().tolist()
    answer = {"model_name": served.name, "model_version": served.version, "outputs": [output]}
    if isinstance(asked.get("id"), str):
        answer["id"] = asked["id"]
    text = encode_json(answer)
    return (text + found.astype("<f8").tobytes(), len(text)) if binary else (text, None)
