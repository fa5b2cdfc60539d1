"""Runs children over mutants, and counts what came of them; a child that dies is told from one that hangs."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.outcomes import CRASH, FAULTS, HANG

ROOT = Path(__file__).resolve().parents[2]
ENDLESS = 2**40
HANG_SECONDS = 60.0  # of processor time, compilation included
MOST_SAID = 2**20
OUTSIDE = "debug: IndexError"  # what a kernel that checks its indices prints of one outside


@dataclass
class Count:
    """What came of the mutants of one format.

    Attributes
    ----------
    outcomes : Counter
        By outcome.
    faults : list of str
        One line each.
    kept : list of Path
        The mutants that are faults.
    outside : int
        Indices outside their arrays, which kernels that check them found.
    seconds : float
        Without those that kernels were compiled in, and without the first start.
    """

    outcomes: Counter = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    outside: int = 0
    seconds: float = 0.0

    @property
    def mutations(self):
        """How many mutants there were."""
        return sum(self.outcomes.values())


def run(name, corpus, work, *, seed, seconds, last=ENDLESS, least=0, warm=0, env=None, hang=HANG_SECONDS):
    """Check mutants of a format (or of several, with commas between), whoever dies.

    It ends before mutant `last`, or after `seconds` once mutants before `least` were looked at; those before `warm` are
    looked at before the seconds begin, as kernels are compiled for them.
    """
    count, following, clock = Count(), 0, Clock()
    while following < last and (following < least or clock.seconds < seconds):
        left = max(0.0, seconds - clock.seconds)
        arguments = [name, corpus, work, seed, following, last, left, hang, warm, least]
        with (
            tempfile.TemporaryFile("w+", errors="replace") as errors,  # a pipe that nobody reads fills up
            subprocess.Popen(
                [sys.executable, "-m", "tests.fuzz.child", *map(str, arguments)],
                stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT, env=os.environ | (env or {}),
            ) as child,
        ):  # fmt: skip
            begun, done = _follow(child.stdout, count, clock)
            child.wait()
            errors.seek(max(0, errors.seek(0, os.SEEK_END) - MOST_SAID))
            said = errors.read()  # of a hang, where all threads were
        if done:
            break
        if begun is None:
            raise RuntimeError(f"the child of {name} cannot start:\n{said[-2000:]}")
        following, stage = begun[0] + 1, begun[1]
        hung = "Timeout" in said or child.returncode == -signal.SIGPROF
        if stage == "ours" and not hung:
            continue  # pyarrow ended the process, when ours had read the file
        outcome = HANG if hung else CRASH
        count.outcomes[outcome] += 1
        count.faults.append(
            f"{name} {seed} {begun[0]}: {outcome} ({child.returncode}): {said.strip()[-300:]}"
        )
        count.kept += Path(work).glob(f"*-{seed}-{begun[0]}*")
    count.seconds = clock.seconds
    return count


class Clock:
    """Counts the seconds since it was begun."""

    def __init__(self):
        self.begun = None

    def begin(self):
        """Begin, the first time."""
        self.begun = self.begun or time.monotonic()

    @property
    def seconds(self):
        """Seconds; none where it was not begun."""
        return 0.0 if self.begun is None else time.monotonic() - self.begun


def _follow(lines, count, clock):
    """Count what a child says; return the mutant and stage at which it ended, or that it is done."""
    begun = None
    for line in lines:
        if OUTSIDE in line:
            count.outside += 1
            count.faults.append(f"after mutant {begun}: {line.strip()}")
            continue
        word, *rest = line.rstrip("\n").split(" ", 3)
        if word == "done":
            return None, True
        if word == "warm":
            clock.begin()
        elif word == "begin":
            begun = int(rest[0]), ""
        elif word == "reached":
            begun = int(rest[0]), rest[1]
        elif word == "end":
            outcome = rest[1].replace("_", " ")
            count.outcomes[outcome] += 1
            if outcome in FAULTS:
                count.faults.append(f"mutant {rest[0]}: {outcome}: {rest[2] if len(rest) > 2 else ''}")
        elif word == "keep":
            count.kept.append(Path(" ".join(rest[1:])))
    return begun, False
