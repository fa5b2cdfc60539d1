"""How many turns of the loop make a work slower by a given share? Measured as the gate measures, not computed.

The share is not the loop's time over the call's: data that rest for the time of the loop have left the caches a little
more, which alone makes a slowdown of descent by a fifth one by a quarter when other programs use the same caches.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.gate.slowdown import Slowdown, inject
from bench.gate.turns import STARTS, take_turns
from bench.gate.verdict import judge

CORRECTIONS = 3
NEAR = 0.005  # two measurements do not agree better than that
MOST = 2**24  # a work that so many turns do not slow calls another function


def calibrate(original: Path, slowdown: Slowdown, share: float) -> tuple[int, float]:
    """Return how many turns make a work slower by `share`, and the share that they were measured to make."""

    def delivered(loops: int, starts: int) -> float:
        with tempfile.TemporaryDirectory(prefix="gate-") as folder:
            slow = Path(folder) / "slow"
            shutil.copytree(original, slow)
            inject(slow, slowdown, loops)
            found = take_turns(original, slow, [slowdown.work], starts)[slowdown.work]
        if "missing" in found:
            raise RuntimeError(f"{slowdown.work} cannot be slowed: {found['missing']}")
        return float(judge(found["base"], found["head"])["ratio"]) - 1

    return search(delivered, share, slowdown.guess)


def search(delivered: Callable[[int, int], float], share: float, guess: int) -> tuple[int, float]:
    """Return the loops that deliver `share`, and what they were measured to deliver.

    Parameters
    ----------
    delivered : callable
        Measures the share that a number of loops adds, over a number of pairs of processes.
    share : float
        What is asked for.
    guess : int
        Loops to begin with; doubled until they make a difference that can be measured.
    """
    # A loop of no turns costs something, too: a straight line through two points, none of them zero.
    empty, loops = delivered(0, 1), guess
    while (found := delivered(loops, 1)) - empty < share / 2:
        if loops >= MOST:
            raise RuntimeError(
                f"{loops} turns of the loop add {found - empty:.1%}: this function is not what is called"
            )
        loops *= 2
    slope = (found - empty) / loops
    loops = max(0, round((share - empty) / slope))
    best = loops, delivered(loops, STARTS)
    for _ in range(CORRECTIONS):
        loops = max(0, round(best[0] + (share - best[1]) / slope))
        if abs(best[1] - share) <= NEAR or loops == best[0]:
            break
        best = min(best, (loops, delivered(loops, STARTS)), key=lambda tried: abs(tried[1] - share))
    return best
