"""Names below a directory: which are hidden, and which a glob means. The same in every store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase


def is_hidden(parts: Iterable[str]) -> bool:
    """Return whether some part of a name begins as hidden files and markers do."""
    return any(part.startswith((".", "_")) for part in parts)


def matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Return whether the parts of a name are those of a glob, of which ``**`` means any number of parts."""
    if pattern[:1] == ("**",):
        return any(matches(parts[k:], pattern[1:]) for k in range(len(parts) + 1))
    if not parts or not pattern:
        return not parts and not pattern
    return fnmatchcase(parts[0], pattern[0]) and matches(parts[1:], pattern[1:])
