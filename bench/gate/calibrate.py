"""How many turns of the loop make a work slower by a given share? Measured, not computed.

Run as a script beside a build. The plain and the slowed function take turns in one process, on the same data where the
work finds the function at each call, so that nothing but the loop tells them apart.
"""

from __future__ import annotations

import importlib
import json
import runpy
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the script sees a build of any age, and of this project only what is sent to it
    from bench.gate.slowdown import Slowdown

FEW, MANY = 9, 45  # pairs of samples, while searching and for what is recorded
CORRECTIONS = 3


def calibrate(packages: Path, slowdown: Slowdown, share: float) -> tuple[int, float]:
    """Return how many turns make the work slower by `share`, and the share that they were measured to make."""
    from bench.gate.turns import SUITE, environment

    task = {
        "suite": str(SUITE), "work": slowdown.work, "module": slowdown.module, "name": slowdown.name,
        "source": slowdown.source(0), "share": share,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-P", __file__], input=json.dumps(task), capture_output=True, text=True, check=False,
        env=environment(packages),
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{slowdown.work} could not be slowed: {done.stderr.strip()[-800:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    return int(found["loops"]), float(found["delivered"])


def search(delivered: Callable[[int, int], float], share: float) -> tuple[int, float]:
    """Return the loops that deliver `share`, and what they were measured to deliver.

    `delivered` measures what so many loops add, over so many pairs. The wrapper itself costs something, so a straight
    line is laid through two measured points, none of them zero.
    """
    low, high = 0, 4
    below = delivered(low, FEW)
    while (above := delivered(high, FEW)) < 2 * share:
        high *= 2
    slope = (above - below) / (high - low)
    loops = max(0, round((share - below) / slope))
    found = delivered(loops, MANY)
    for _ in range(CORRECTIONS):
        step = round((share - found) / slope)
        if not step or loops + step < 0:
            break
        other = delivered(loops + step, MANY)
        if abs(other - share) < abs(found - share):
            loops, found = loops + step, other
    return loops, found


def _serve(task: dict[str, Any]) -> dict[str, Any]:
    module = importlib.import_module(task["module"])
    *owners, name = task["name"].split(".")
    owner: Any = module
    for part in owners:
        owner = getattr(owner, part)
    prepare = runpy.run_path(task["suite"])["WORKS"][task["work"]]
    plain, samples = getattr(owner, name), []
    samples.append(prepare())
    exec(task["source"], vars(module))  # as if it stood in the file
    slowed = getattr(owner, name)
    # A method is found at each call: the same data serve both. What a maker made is bound to what was prepared.
    samples.append(samples[0] if owners else prepare())

    def delivered(loops: int, pairs: int) -> float:
        vars(module)["SLOWER_BY"] = bytes(loops)
        ratios = []
        for pair in range(-1, pairs):
            taken = [0.0, 0.0]
            for which in (0, 1) if pair % 2 else (1, 0):
                setattr(owner, name, (plain, slowed)[which])
                taken[which] = samples[which]()
            if pair >= 0:  # the first is cold
                ratios.append(taken[1] / taken[0])
        return statistics.median(ratios) - 1

    loops, found = search(delivered, task["share"])
    return {"loops": loops, "delivered": found}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_serve(json.load(sys.stdin))) + "\n")
