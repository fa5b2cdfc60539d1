"""Several processes that answer on one socket, under a parent that starts them, restarts what dies, and ends them.

The socket is the parent's, and all workers accept from it. With a socket each (``SO_REUSEPORT``) the connections that
wait for a killed worker would wait for its successor; here the next free worker takes them.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scalable.errors import ScalableError
from scalable.serve.channel import Lines, line

FIRST_PAUSE, LONGEST_PAUSE, STEADY_SECONDS = (
    0.05,
    5.0,
    30.0,
)  # before a worker that keeps dying is started again
DRAIN_SECONDS = 35.0  # a little more than a worker takes
_HOME = str(Path(__file__).resolve().parents[2])
_START = """
import sys
home, job, channel, listening = sys.argv[1:]
home in sys.path or sys.path.insert(0, home)
from scalable.serve.worker import work
sys.exit(work(job, int(channel), int(listening)))
"""


@dataclass
class _Child:
    """A worker's process, its channel, and what is known of it."""

    process: subprocess.Popen[bytes]
    channel: socket.socket
    started: float
    pause: float
    lines: Lines = field(default_factory=Lines)
    ready: bool = False


@dataclass
class _Question:
    """What a worker asked: its number of it, who has not answered yet, and the answers."""

    asker: int
    number: int
    left: set[int]
    bodies: list[Any] = field(default_factory=list)


class Workers:
    """The parent.

    Parameters
    ----------
    n : int
        Processes.
    job : dict
        What each is told, see `scalable.serve.worker.work`.
    listening : socket.socket
        Where they answer; closed when they end.
    say : callable
        Takes one line about each event.
    """

    def __init__(
        self, n: int, job: dict[str, Any], listening: socket.socket, say: Callable[[str], None]
    ) -> None:
        self._n, self._job, self._listening, self._say = n, json.dumps(job), listening, say
        self._children: dict[int, _Child] = {}
        self._names, self._numbers = itertools.count(), itertools.count()
        self._questions: dict[int, _Question] = {}
        self._due: list[tuple[float, float]] = []  # when to start a worker again, and its pause
        self._selector = selectors.DefaultSelector()
        self._failure: str | None = None
        self._ending: float | None = None

    def run(self, started: Callable[[], None]) -> None:
        """Serve until SIGTERM or SIGINT; `started` is called once when all workers answer.

        Raises
        ------
        ScalableError
            A worker could not begin, such as for a damaged model; all are ended.
        """
        signals, wake = socket.socketpair()
        wake.setblocking(False)
        signals.setblocking(False)
        self._selector.register(signals, selectors.EVENT_READ)
        before = {kind: signal.signal(kind, lambda *_: None) for kind in (signal.SIGTERM, signal.SIGINT)}
        wakeup = signal.set_wakeup_fd(wake.fileno())
        told = False
        try:
            for _ in range(self._n):
                self._start(FIRST_PAUSE)
            while self._children or self._due:
                self._step(signals, told)
                if not told and sum(child.ready for child in self._children.values()) == self._n:
                    told = True
                    started()
        finally:
            signal.set_wakeup_fd(wakeup)
            for kind, handler in before.items():
                signal.signal(kind, handler)
            for child in self._children.values():  # only where something went wrong here
                child.process.kill()
                child.process.wait()
            self._listening.close()
            for one in (signals, wake, self._selector):
                one.close()
        if self._failure is not None:
            raise ScalableError(self._failure)

    def _step(self, signals: socket.socket, told: bool) -> None:
        """Wait for one thing to happen, and see to it."""
        now = time.monotonic()
        if self._ending is None:
            for entry in [entry for entry in self._due if entry[0] <= now]:
                self._due.remove(entry)
                self._start(entry[1])
        elif now > self._ending:
            for child in self._children.values():
                child.process.kill()
        times = [at for at, _ in self._due] + ([] if self._ending is None else [self._ending + 0.1])
        for key, _ in self._selector.select(max(0.0, min(times) - now) if times else None):
            if key.fileobj is signals:
                signals.recv(64)
                self._end()
            else:
                self._hear(key.data, told)

    def _start(self, pause: float) -> None:
        ours, theirs = socket.socketpair()
        files = [str(theirs.fileno()), str(self._listening.fileno())]
        command = [sys.executable, "-P", "-c", _START, _HOME, self._job, *files]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno(), self._listening.fileno()],
            start_new_session=True,  # Ctrl-C comes to the parent alone, which tells them
        )  # fmt: skip
        theirs.close()
        ours.settimeout(5.0)
        name = next(self._names)
        self._children[name] = _Child(process, ours, time.monotonic(), pause)
        self._selector.register(ours, selectors.EVENT_READ, name)

    def _end(self) -> None:
        """Ask all to finish what is under way."""
        if self._ending is None:
            self._ending = time.monotonic() + DRAIN_SECONDS
            self._due.clear()
            self._listening.close()
            for child in self._children.values():
                child.process.terminate()

    def _hear(self, name: int, told: bool) -> None:
        child = self._children[name]
        try:
            data = child.channel.recv(2**16)
        except OSError:
            data = b""
        if not data:
            self._gone(name, told)
        for message in child.lines.take(data):
            if "ready" in message:
                child.ready = True
                if told:  # it read what lies there now, which may be other models than the others have
                    self._pass_on(name, {"ask": -1, "body": {"what": "agree", "versions": message["ready"]}})
            elif "failed" in message:
                self._failure = message["failed"]
            elif "ask" in message:
                self._pass_on(name, message)
            else:
                self._collect(int(message["done"]), name, [message["body"]])

    def _gone(self, name: int, told: bool) -> None:
        """Start another worker in the place of one that ended."""
        child = self._children.pop(name)
        self._selector.unregister(child.channel)
        child.channel.close()
        code = child.process.wait()
        for key, question in list(self._questions.items()):
            if question.asker == name:
                del self._questions[key]
            else:
                self._collect(key, name, [])
        if self._ending is not None:
            return
        if not told:  # it never answered: another one would not either
            self._failure = self._failure or f"a worker ended before it answered (exit code {code})"
            self._end()
            return
        why = self._failure or (f"killed by signal {-code}" if code < 0 else f"exit code {code}")
        self._failure = None
        steady = time.monotonic() - child.started > STEADY_SECONDS
        pause = FIRST_PAUSE if steady else child.pause
        self._say(f"worker {child.process.pid} ended ({why}); another one starts in {pause:g} s")
        self._due.append((time.monotonic() + pause, min(2 * pause, LONGEST_PAUSE)))

    def _pass_on(self, asker: int, message: dict[str, Any]) -> None:
        key = next(self._numbers)
        others = {name for name, child in self._children.items() if name != asker and child.ready}
        self._questions[key] = _Question(asker, message["ask"], others)
        for name in tuple(others):
            self._tell(name, {"do": key, "body": message["body"]})
        self._collect(key, -1, [])

    def _collect(self, key: int, name: int, bodies: list[Any]) -> None:
        """Add an answer, or none of a worker that is gone; tell the asker when all are there."""
        question = self._questions.get(key)
        if question is None:
            return
        question.left.discard(name)
        question.bodies += bodies
        if not question.left:
            del self._questions[key]
            self._tell(question.asker, {"answers": question.number, "bodies": question.bodies})

    def _tell(self, name: int, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError, KeyError):  # its end is heard of by itself
            self._children[name].channel.sendall(line(message))
