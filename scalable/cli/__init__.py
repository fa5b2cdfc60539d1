"""The command line: one file a command; heavy imports happen inside the commands."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 success, 1 failure, 2 usage, 130 interrupted."""
    from scalable.cli.screen.interrupt import INTERRUPTED, leave_at_once, say_interrupted, watch

    if argv is None:
        _open_streams()
        _speak_utf8()
    words = list(sys.argv[1:] if argv is None else argv)
    watch(words)
    try:
        code = _run(words)
    except KeyboardInterrupt:  # while commands were still being imported
        say_interrupted(words)
        code = INTERRUPTED
    if code == INTERRUPTED:
        leave_at_once()
    if argv is None:  # else garbage is looked for as it ends, among all that was imported: .1 s
        gc.freeze()
    sys.exit(code)


def _run(words: Sequence[str]) -> int:
    """Return the exit code of a command line."""
    from scalable.cli.app import build
    from scalable.cli.screen.failure import run
    from scalable.deferred import defer, leave_lightgbm_alone

    defer()
    if words[:1] != ["answer"]:  # compares with LightGBM's own estimators
        leave_lightgbm_alone()
    return run(build(words), words)


def _open_streams() -> None:
    """Open what the caller closed of the three streams: the next file would get their number, and what they print."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.get_inheritable(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r+", encoding="utf-8"))  # noqa: SIM115  # lives as long as the process


def _speak_utf8() -> None:
    """Start again in Python's UTF-8 mode where a locale such as C would misread names of files and columns."""
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        os.environ["PYTHONUTF8"] = "1"  # of workers too
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a name may be in another encoding
