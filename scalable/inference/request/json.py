"""JSON of requests, read by the fastest library at hand."""

from __future__ import annotations

import json
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

else:
    _decode = msgspec.json.Decoder().decode

    def _loads(data: Any) -> Any:
        """Read JSON."""
        try:
            return _decode(data)
        except msgspec.DecodeError as error:
            raise ValueError(str(error)) from None


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
