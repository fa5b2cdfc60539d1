"""Ctrl-C: the command ends within two seconds, with all it started, and says how to go on."""

from __future__ import annotations

import os
import select
import shlex
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

INTERRUPTED = 130
SCREEN_SECONDS = 0.3
RESUMABLE = ("generate", "train", "tune", "predict", "explain", "versus", "features join")  # have --resume
GRACE_SECONDS = 1.2  # for clean ends of threads, workers and displays; then all is killed
_unsaid = threading.Lock()  # taken by whoever says it
_asked = threading.Event()


def say(message: str) -> None:
    """Print one line to standard error."""
    from scalable.storage.places import respelled

    print(f"scalable: {respelled(message)}", file=sys.stderr)


def say_interrupted(argv: Sequence[str]) -> None:
    """Print how to go on, once: the thread that waits and the one that was interrupted may end together."""
    if _unsaid.acquire(blocking=False):
        if sys.stderr.isatty():
            sys.stderr.write("\r")  # over the terminal's own ^C
        say("interrupted; " + resume_hint(argv))


def begin() -> None:
    """Forget a Ctrl-C of earlier: it was another command's, where several run in one process."""
    _asked.clear()


def is_interrupted() -> bool:
    """Return whether Ctrl-C was pressed since `begin`: an import that it broke off may end in any other error."""
    return _asked.is_set()


def watch(argv: Sequence[str]) -> None:
    """Bound the clean-up after the first Ctrl-C; the second one ends at once.

    A thread waits for the signal itself: Python's own handlers run only when the main thread
    comes back from whatever native call it is in.
    """
    listening, ringing = os.pipe()
    os.set_blocking(ringing, False)
    signal.set_wakeup_fd(ringing, warn_on_full_buffer=False)

    def note(*signalled: Any) -> NoReturn:
        _asked.set()
        signal.default_int_handler(*signalled)

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else a shell had it ignored
        signal.signal(signal.SIGINT, note)

    def wait() -> None:
        while os.read(listening, 1) != bytes([signal.SIGINT]):
            pass
        select.select([listening], [], [], GRACE_SECONDS)
        _leave_screen_clean()
        say_interrupted(argv)
        leave_at_once()

    threading.Thread(target=wait, name="interrupt", daemon=True).start()


def _leave_screen_clean() -> None:
    """Let the display mark what was broken off, should there be one; never wait for it long."""
    display = sys.modules.get("scalable.cli.screen.display")
    if display is None:
        return
    ending = threading.Thread(target=display.leave_clean, name="screen", daemon=True)
    ending.start()
    ending.join(SCREEN_SECONDS)  # whoever draws may hold its lock in native code
    if ending.is_alive() and sys.stderr.isatty():
        sys.stderr.write("\x1b[?25h\n")  # the display had hidden the cursor


def leave_at_once() -> NoReturn:
    """End this process and whatever it started, without waiting for threads that are still busy."""
    import psutil

    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            child.kill()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(INTERRUPTED)


def resume_hint(argv: Sequence[str]) -> str:
    """Return what to type to go on."""
    if argv and (argv[0] in RESUMABLE or " ".join(argv[:2]) in RESUMABLE):
        again = shlex.join(argv if "--resume" in argv else [*argv, "--resume"])
        return f"go on with: scalable {again}"
    left = "" if argv[:1] == ["quickstart"] else "nothing half-written was left; "
    return f"{left}run the same command again"
