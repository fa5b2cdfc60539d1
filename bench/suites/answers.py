"""The roadmap's answers at their quick size: seconds each, and whether the claims hold."""

from __future__ import annotations

from .median import named

try:
    from bench.answers.answer import find, ids
    from bench.answers.run import run

    names = ids()
except ImportError:  # a commit from before these
    names = []


class Answers:
    """Every answer, once."""

    params = (names,)
    param_names = ("answer",)
    timeout = 300
    number, repeat, warmup_time = 1, 1, 0.0

    @named("An answer at its quick size")
    def time_quick(self, name: str) -> None:
        run(find(name))

    @named("Does the claim of an answer hold (1) or not (0)")
    def track_holds(self, name: str) -> int:
        return int(run(find(name))["holds"])

    track_holds.unit = "claims"  # type: ignore[attr-defined]
