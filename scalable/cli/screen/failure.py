"""How failures end: one line that names the thing and the remedy, and an exit code."""

from __future__ import annotations

import errno
import os
import traceback
import warnings
from collections.abc import Sequence
from typing import Any

import typer

from scalable.cli.names import mistyped
from scalable.cli.screen.interrupt import INTERRUPTED, begin, is_interrupted, say, say_interrupted

FAILURE, USAGE = 1, 2


def run(command: Any, argv: Sequence[str]) -> int:
    """Run a Click command and return the exit code; ``--debug`` shows the traceback."""
    warnings.showwarning = _shown
    begin()
    try:
        result = command.main(args=list(argv), prog_name="scalable", standalone_mode=False)
    except Exception as error:
        return _failed(error, argv)
    except (KeyboardInterrupt, SystemExit) as stop:  # newer Typers turn the one into the other
        if isinstance(stop, SystemExit) and stop.code != INTERRUPTED:
            raise
        say_interrupted(argv)
        return INTERRUPTED
    if result == INTERRUPTED:
        say_interrupted(argv)
    return result if isinstance(result, int) else 0


_show = warnings.showwarning


def _shown(message: Any, category: type[Warning], *others: Any, **more: Any) -> None:
    """Show what was decided about the data, or did not converge, as one line; other warnings as Python does."""
    if category.__module__ == "scalable.errors" or category.__name__ == "ConvergenceWarning":
        say(" ".join(str(message).split()))
    else:
        _show(message, category, *others, **more)


def _failed(error: Exception, argv: Sequence[str]) -> int:
    if isinstance(error, typer.Abort) or is_interrupted():
        say_interrupted(argv)
        return INTERRUPTED
    if hasattr(error, "exit_code"):  # Click's own, which newer Typers carry within themselves
        if hasattr(error, "show"):
            _in_plain_words(error, argv)
            error.show()
        return int(error.exit_code)
    if "--debug" in argv:
        traceback.print_exception(error)
    code, message = explain(error)
    say(message)
    return code


def _in_plain_words(error: Any, argv: Sequence[str]) -> None:
    """Have Click's error say which option was mistyped where one is missing, and "Invalid value" of values only."""
    parameter = getattr(error, "param", None)
    message = (
        mistyped(argv, parameter.opts) if parameter is not None and "Missing" in type(error).__name__ else ""
    )
    if parameter is None and type(error).__name__ == "BadParameter" and error.param_hint is None:
        message = error.message
    if message:
        error.format_message = lambda: message


def explain(error: Exception) -> tuple[int, str]:
    """Return the exit code and the one line for an error."""
    from scalable.errors import ScalableError, UsageError

    text = " ".join(str(error).split())
    if isinstance(error, UsageError) or type(error).__name__ == "RequestError":
        return USAGE, text
    if isinstance(error, ScalableError) or type(error).__module__.startswith(("data_gen", "scalable")):
        return FAILURE, text
    if type(error).__name__ == "LightGBMError":  # its own word on parameters, or what the data is to it
        return USAGE, f"LightGBM: {text}"
    if isinstance(error, OSError) and error.errno is not None:
        return FAILURE, _explain_os_error(error)
    if isinstance(error, MemoryError):
        return FAILURE, "out of memory; use fewer workers or columns, or a machine with more memory"
    name = type(error).__name__
    return FAILURE, f"unexpected {name}: {text[:400]} (run again with --debug for the traceback)"


def _explain_os_error(error: OSError) -> str:
    where = error.filename or "standard output, or a file"
    if "://" in str(where) and error.strerror:  # a store's own words
        return f"{where}: {error.strerror}"
    remedies = {
        errno.ENOSPC: "the disk is full; free space or choose another --out, then --resume",
        errno.EDQUOT: "the disk quota is used up; free space or choose another --out",
        errno.EACCES: "permission denied; choose another place or change its permissions",
        errno.EPERM: "not permitted; choose another place",
        errno.EROFS: "the file system is read-only; choose another place",
        errno.ENOENT: "no such file or directory; check the path",
        errno.EEXIST: "exists already; choose another name",
        errno.ENOTDIR: "a part of the path is a file, not a directory; choose another place",
        errno.EISDIR: "is a directory; name a file",
    }
    known = remedies.get(error.errno or 0)
    return f"{where}: {known or os.strerror(error.errno or 0) + '; check the path'}"
