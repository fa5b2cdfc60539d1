"""The command line: one file a command; heavy imports happen inside the commands."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 success, 1 failure, 2 usage, 130 interrupted."""
    from scalable.cli.app import build
    from scalable.cli.screen.failure import run
    from scalable.cli.screen.interrupt import INTERRUPTED, leave_at_once, watch
    from scalable.deferred import defer

    words = list(sys.argv[1:] if argv is None else argv)
    watch(words)
    defer()
    code = run(build(words), words)
    if code == INTERRUPTED:
        leave_at_once()
    sys.exit(code)
