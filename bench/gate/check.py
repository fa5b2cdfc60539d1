"""Can the gate be trusted? A against a copy of itself, and against copies that were made slower on purpose."""

from __future__ import annotations

import shlex
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.gate.build import build
from bench.gate.turns import take_turns
from bench.gate.verdict import judge_all
from scalable.report.results import new_results, write_results

# Appended to a module of the copy: a function is replaced by one that takes longer by `share` of its time. What
# the replacement itself costs, some 0.2 us, is measured on a function that does nothing and taken off, for it
# would be much beside a call of a microsecond.
INJECTION = """

def _slowed(call, share={share}, own=None):
    from time import perf_counter as clock

    def slow(*args):
        start = clock()
        result = call(*args)
        end = start + (clock() - start) * (1.0 + share) - own
        while clock() < end:
            pass
        return result

    if own is None:
        nothing = lambda *args: None
        own, slowed = 0.0, _slowed(nothing, 0.0, 0.0)
        costs = []
        for function in (nothing, slowed):
            best = 1.0
            for _ in range(200):
                start = clock()
                for _ in range(100):
                    function(1, 2, 3)
                best = min(best, (clock() - start) / 100)
            costs.append(best)
        own = costs[1] - costs[0]
    return slow

"""
KERNEL = "{name} = _slowed({name})\n"
MAKER = "_make = {name}\n\n\ndef {name}(*args):\n    return _slowed(_make(*args))\n"


@dataclass(frozen=True, slots=True)
class Slowdown:
    """A work, and the function whose slowing must be seen in it: a kernel, or what makes the function called."""

    work: str
    file: str
    name: str
    code: str = KERNEL


SLOWDOWNS = (
    Slowdown("descent", "scalable/kernels/descent.py", "descend"),
    Slowdown("forest_row", "scalable/inference/forest.py", "row_function", MAKER),
)


def inject(original: Path, copy: Path, slowdown: Slowdown, share: float) -> None:
    """Copy a build and slow one name in it down by `share` of its time."""
    shutil.copytree(original, copy)
    file = copy / slowdown.file
    file.write_text(
        file.read_text("utf-8") + (INJECTION + slowdown.code).format(share=share, name=slowdown.name), "utf-8"
    )


def check(revision: str, runs: int, record: Path | None, share: float = 0.2) -> bool:
    """Run the checks, tell the result of each, and return whether all went as they must.

    Parameters
    ----------
    revision : str
        What to build.
    runs : int
        A/A runs; none may flag anything.
    record : Path, optional
        Results document, written anew after each check, so that an interrupted run leaves what it found.
    share : float
        Size of the injected slowdowns; each must be flagged.
    """
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="gate-") as folder:
        one = build(revision, Path(folder) / "one").directory
        shutil.copytree(one, Path(folder) / "two")
        pairs = []
        for slowdown in SLOWDOWNS:
            slow = Path(folder) / slowdown.work
            inject(one, slow, slowdown, share)
            pairs.append((slow, f"{slowdown.work} slowed by {share:.0%}", {slowdown.work}))
        pairs += [(Path(folder) / "two", f"A/A {run + 1}", set()) for run in range(runs)]
        for other, name, expected in pairs:
            rows.append(_one(one, other, name, expected))
            if record is not None:
                command = shlex.join(["python", "-m", "bench.gate", *sys.argv[1:]])
                write_results(record, new_results("gate check", {"gate_check": rows}, command=command))
    return all(row["as_it_must"] for row in rows)


def _one(base: Path, head: Path, name: str, expected: set[str]) -> dict[str, Any]:
    start = time.perf_counter()
    rows = judge_all(take_turns(base, head))
    flagged = {row["work"] for row in rows if row["verdict"] in ("slower", "faster")}
    ratios = {row["work"]: row.get("ratio") for row in rows}
    row = {
        "check": name, "as_it_must": flagged == expected, "flagged": ", ".join(sorted(flagged)) or "nothing",
        "seconds": time.perf_counter() - start, **{f"{work} ratio": ratio for work, ratio in ratios.items()},
    }  # fmt: skip
    sys.stdout.write(f"{name}: flagged {row['flagged']}: {'as it must' if row['as_it_must'] else 'WRONG'}\n")
    sys.stdout.flush()
    return row
