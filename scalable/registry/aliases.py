"""Names for versions, such as ``production``: a directory of numbered moves, of which the highest counts.

A move is a file that takes a free number: of two writers each adds one, none is lost, and a reader sees the name
before or after. Nothing is ever written over.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from scalable.errors import ModelError, UsageError
from scalable.storage.documents import typed, understood
from scalable.storage.numbered import add_as, numbers_in


@dataclass(frozen=True, slots=True)
class Move:
    """One setting of an alias.

    Attributes
    ----------
    version : int
        What the alias means from then on.
    back : int
        Number of the move whose version a rollback returns to; 0 for none.
    at : str
        UTC, ISO 8601.
    action : str
        ``promote`` or ``rollback``.
    """

    version: int
    back: int
    at: str
    action: str


def moves_of(place: Path) -> dict[int, Move]:
    """Return the moves of an alias by number, in order; empty where there is none of that name.

    Raises
    ------
    ModelError
        One is damaged.
    """
    return {number: _read(place / str(number)) for number in sorted(numbers_in(place))}


def current(place: Path) -> Move | None:
    """Return the move that counts; None where there is none; raises as `moves_of`."""
    numbers = numbers_in(place)
    return _read(place / str(max(numbers))) if numbers else None


def promote(place: Path, version: int) -> Move:
    """Let an alias mean a version from now on."""
    return _add(place, lambda last: _move(version, last, "promote"))


def previous(place: Path) -> Move | None:
    """Return the move that a rollback would return to; None where there is none; raises as `moves_of`."""
    now = current(place)
    return _read(place / str(now.back)) if now is not None and now.back else None


def rollback(place: Path) -> Move:
    """Let an alias mean again what it meant before the last promotion that was not taken back.

    Raises
    ------
    UsageError
        There is nothing before.
    """

    def back(last: int) -> Move:
        to = _read(place / str(last)).back if last else 0
        if not to:
            raise UsageError(f"alias {place.name!r} has no earlier version to go back to")
        before = _read(place / str(to))
        return _move(before.version, before.back, "rollback")

    return _add(place, back)


def _read(path: Path) -> Move:
    with understood(ModelError, path, "remove it to return to the move before"):
        try:
            move = typed(Move, json.loads(path.read_bytes()))
        except OSError as error:
            raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
        if not 0 <= move.back < int(path.name) or move.version < 1:
            raise ValueError(f"version {move.version}, back {move.back}")
    return move


def _move(version: int, back: int, action: str) -> Move:
    return Move(version, back, datetime.now(UTC).isoformat(timespec="seconds"), action)


def _add(place: Path, move_after: Callable[[int], Move]) -> Move:
    """Write the move that follows the last one; where another was faster, the one that follows that."""
    while True:
        last = max(numbers_in(place), default=0)
        move = move_after(last)
        if add_as(place, last + 1, json.dumps(asdict(move)).encode()):
            return move
