"""JSON of requests and answers, by the fastest library at hand."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from scalable.errors import DataError

try:
    import msgspec
except ImportError:  # the extra "serve" brings it

    def _loads(data: Any) -> Any:
        """Read JSON by Python's own module, which takes several times as long."""
        return json.loads(
            data if isinstance(data, (str, bytes, bytearray)) else bytes(data), parse_constant=_no
        )

    def _dumps(answer: Any) -> bytes:
        """Write JSON by Python's own module."""
        return json.dumps(_finite(answer), separators=(",", ":")).encode()

else:
    _encode = msgspec.json.Encoder().encode
    _decode = msgspec.json.Decoder().decode

    def _loads(data: Any) -> Any:
        """Read JSON."""
        try:
            return _decode(data)
        except msgspec.DecodeError as error:
            raise ValueError(str(error)) from None

    def _dumps(answer: Any) -> bytes:
        """Write JSON."""
        return _encode(answer)


def encode_json(answer: Any) -> bytes:
    """Return an answer as JSON; a number that is not finite is null."""
    return _dumps(answer)


def encode_row(row: Mapping[str, Any]) -> bytes:
    """Return a row of Python's values as the JSON of a request: times as ISO 8601, what is not finite as null.

    Raises
    ------
    TypeError, ValueError
        JSON has no form for a value, such as bytes or a span of time.
    """
    return encode_json({name: _plain(value) for name, value in row.items()})


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else float(value)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _no(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def parse_json(data: bytes | bytearray | memoryview | str) -> Any:
    """Return what JSON says.

    Raises
    ------
    DataError
        It is not JSON.
    """
    try:
        return _loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError(f"not JSON: {error}") from None
