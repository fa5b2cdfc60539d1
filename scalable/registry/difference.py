"""What differs between two versions of a model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from scalable.data.fingerprint import Fingerprint
from scalable.registry.entry import Entry

PARTS = ("metrics", "parameters", "tags", "code", "environment")


class Difference(NamedTuple):
    """One value that two versions do not share; None where one has none."""

    part: str
    name: str
    first: Any
    second: Any


def differences(first: Entry, second: Entry) -> list[Difference]:
    """Return the metrics of two versions, equal or not, and every other value that differs."""
    found = []
    for part in PARTS:
        one, other = flat(getattr(first, part)), flat(getattr(second, part))
        found += [
            Difference(part, name, one.get(name), other.get(name))
            for name in dict.fromkeys([*one, *other])
            if part == "metrics" or one.get(name) != other.get(name)
        ]
    return found


def data_difference(first: Entry, second: Entry) -> str:
    """Return in words how the rows differ that two versions learned from; empty where they are the same."""
    if not first.data or not second.data:
        return "" if not first.data and not second.data else "only one of them says what it learned from"
    if first.data.get("digest") == second.data.get("digest"):
        return ""
    parts = second.data.get("parts")
    told = Fingerprint(parts).difference(first.data.get("parts")) if isinstance(parts, dict) else ""
    return told or "another fingerprint"


def flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return nested values by dotted names; lists as JSON."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping):
            found |= flat(value, f"{name}.")
        else:
            found[name] = json.dumps(value) if isinstance(value, list) else value
    return found
