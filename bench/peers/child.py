"""The process of one contender: ``python -m bench.peers.child linear "vw text" --task linear.json``.

Prints the row of results, or writes it to ``--result``. What it says on ``--events`` tells its parent when the
timed part begins and ends.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import signal
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.peers.contender import Absent, Unfit
from bench.peers.registry import find
from bench.peers.task import Task

PR_SET_PDEATHSIG = 1
LONGEST = 600  # characters of a message


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.peers.child", description=__doc__)
    parser.add_argument("job")
    parser.add_argument("contender")
    parser.add_argument("--task", required=True, metavar="FILE", help="JSON that `scalable versus` wrote")
    parser.add_argument("--result", metavar="FILE", help="where the row goes instead of standard output")
    parser.add_argument("--scratch", metavar="DIR", help="for temporary files instead of where the task says")
    parser.add_argument("--events", type=int, metavar="FD", help="file descriptor for the words of the clock")
    return parser.parse_args()


def run(job: str, name: str, task: Task, events: int | None = None) -> dict[str, Any]:
    """Return the row of one contender; what goes wrong becomes its status and message."""
    from bench.peers.measure import compete

    def announce(word: str) -> None:
        if events is not None:
            os.write(events, f"{word}\n".encode())

    try:
        return compete(find(job, name), task, announce)
    except Absent as reason:
        return {"status": "absent", "message": str(reason)}
    except Unfit as reason:
        return {"status": "not run", "message": str(reason)}
    except Exception as error:  # a peer may raise anything, and that is its result
        traceback.print_exc()
        return {"status": "failed", "message": f"{type(error).__name__}: {error}"[:LONGEST]}


def main() -> None:
    """Run one contender."""
    options = _arguments()
    if options.events is not None:  # a parent that is killed takes this process along
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    task = Task.read(options.task)
    if options.scratch:
        task = replace(task, scratch=options.scratch)
    row = run(options.job, options.contender, task, options.events)
    text = json.dumps(row, default=float)
    if options.result:
        Path(options.result).write_text(text, "utf-8")
    else:
        sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
