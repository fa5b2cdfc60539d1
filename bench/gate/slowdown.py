"""Makes works of a build slower, by turns of an empty loop in a function that each of them calls.

A loop of a fixed length is a fixed piece of work, which any slow minute stretches like the rest. A wait by the clock
is not: whoever reads the clock twice a call has already slowed a prediction of 0.9 us by a quarter, and a wait for a
share of each call grows with whatever disturbs the call.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Slowdown:
    """A work, and the line of a function of Python before which a loop must be seen in it.

    Not a line of a kernel: one whose file changed would be compiled anew, and come to lie elsewhere. `guess` is a
    number of turns to begin the search for a share with.
    """

    work: str
    module: str
    line: str
    guess: int


SLOWDOWNS = (
    Slowdown("descent", "scalable.linear.solvers.descent", "        state.steps = steps", 2**11),
    Slowdown("measure", "scalable.evaluate.binary", "        state.rows += labels.size", 2**11),
    Slowdown("generate", "data_gen.reading", "    check_range(start, stop)", 2**14),
    Slowdown("forest_batch", "scalable.inference.forest.compiled", "        if n_threads < 1:", 2**11),
    Slowdown(
        "forest_row", "scalable.inference.forest.row_call", "        if odd and not is_plain_row(x):", 2
    ),
)


def inject(build: Path, slowdown: Slowdown, loops: int) -> None:
    """Let a build turn an empty loop before the first line like that of a slowdown.

    Raises
    ------
    ValueError
        The module has no such line.
    """
    file = build.joinpath(*slowdown.module.split(".")).with_suffix(".py")
    lines = file.read_text("utf-8").splitlines()
    place = lines.index(slowdown.line)
    indent = slowdown.line[: len(slowdown.line) - len(slowdown.line.lstrip())]
    # nothing is cheaper to begin a loop over than bytes
    lines[place:place] = [f"{indent}for _ in SLOWER_BY:", f"{indent}    pass"]
    file.write_text("\n".join([*lines, "", "", f"SLOWER_BY = bytes({loops})", ""]), "utf-8")
