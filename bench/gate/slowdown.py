"""Makes one work of a build slower, by turns of an empty loop after each call.

A loop of a fixed length is a fixed piece of work, which any slow minute stretches like the rest. A wait by the clock
is not: whoever reads the clock twice a call has already slowed a prediction of 0.9 us by a quarter, and a wait for a
share of each call grows with whatever disturbs the call.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

# Appended to a module of the copy. Nothing is cheaper to begin a loop over than bytes.
CODE = """

def _slowed(call):
    def slow(*args):
        result = call(*args)
        for _ in SLOWER_BY:
            pass
        return result

    return slow


SLOWER_BY = bytes({loops})
"""
CALLED = "{name} = _slowed({name})\n"
MAKER = "_make = {name}\n\n\ndef {name}(*args):\n    return _slowed(_make(*args))\n"


@dataclass(frozen=True, slots=True)
class Slowdown:
    """A work, and the function whose slowing must be seen in it: one that is called, or what makes the called one.

    It is a function of Python: a kernel whose file changed would be compiled anew, and come to lie elsewhere.
    `guess` is a number of turns to begin the search for a fifth with.
    """

    work: str
    module: str
    name: str
    guess: int
    code: str = CALLED

    def source(self, loops: int) -> str:
        """Return what a module needs at its end."""
        return CODE.format(loops=loops) + self.code.format(name=self.name)


SLOWDOWNS = (
    Slowdown("descent", "scalable.linear.solvers.descent", "Descent.step", 2**14),
    Slowdown("forest_row", "scalable.inference.forest.compiled", "row_function", 2**4, MAKER),
)


def inject(original: Path, copy: Path, slowdown: Slowdown, loops: int) -> None:
    """Copy a build and let one function of it turn an empty loop after each call."""
    shutil.copytree(original, copy)
    file = copy.joinpath(*slowdown.module.split(".")).with_suffix(".py")
    file.write_text(file.read_text("utf-8") + slowdown.source(loops), "utf-8")
