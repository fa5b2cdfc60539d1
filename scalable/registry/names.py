"""How models, versions and aliases are called."""

from __future__ import annotations

import re

from scalable.errors import UsageError

LATEST = "latest"  # the highest number; no alias of that name can be set
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def check_name(name: str) -> str:
    """Return the name of a model.

    Raises
    ------
    UsageError
        It cannot be one.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot name a model: letters, digits and . _ - (100 at most), no . first")
    return name


def check_alias(name: str) -> str:
    """Return the name of an alias; raises UsageError as `check_name`."""
    if not _NAME.fullmatch(name) or name.isdigit() or name == LATEST:
        raise UsageError(
            f"{name!r} cannot name an alias: letters, digits and . _ -, not a number, not {LATEST!r}"
        )
    return name
