"""Which integer columns are identifiers: numbers whose size means nothing, to be treated as categories."""

from __future__ import annotations

import re

MANY_LEVELS = 64  # a column of fewer is left a number, whatever its name
_NAME = re.compile(r"(^|_)(id|ids|uid|uuid|key|zip|zipcode|postcode)$", re.I)


def named_identifier(name: str) -> bool:
    """Return whether a column's name says that it identifies something, as ``card_id`` and ``zip`` do."""
    return _NAME.search(name) is not None
