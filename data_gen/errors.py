"""What the user can mend: every message names the thing, what was found, and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GenerationError(Exception):
    """Base of all errors of this package; the command line shows them as one line."""


class RequestError(GenerationError, ValueError):
    """The request itself is off: an unknown dataset, knob or column, impossible numbers of rows."""


class OutputError(GenerationError, OSError):
    """The output directory cannot be used: it holds something else, is full or not writable."""


class VerificationError(GenerationError, ValueError):
    """A dataset on disk is not what its manifest says, or has no readable manifest."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the most similar known name, else the list of names."""
    names = sorted(known)
    match = difflib.get_close_matches(word, names, n=1)
    return f"; did you mean {match[0]!r}?" if match else f"; known: {', '.join(names)}"
