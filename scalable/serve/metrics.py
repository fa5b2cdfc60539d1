"""Counters of the server, in the text format of Prometheus."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence

from scalable.serve.models import Served

BOUNDS = (1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0)


class _Predictions:
    """Those of one model: how many took how long, rows, seconds."""

    __slots__ = ("rows", "seconds", "times")

    def __init__(self) -> None:
        self.times, self.rows, self.seconds = [0] * (len(BOUNDS) + 1), 0, 0.0


class Metrics:
    """What happened since the start."""

    def __init__(self) -> None:
        self.waiting = self.rejected = 0
        self._answers: Counter[int] = Counter()
        self._models: dict[str, _Predictions] = {}

    def answered(self, status: int) -> None:
        """Count an answer."""
        self._answers[status] += 1

    def predicted(self, model: str, rows: int, seconds: float) -> None:
        """Count a prediction."""
        found = self._models.get(model)
        if found is None:
            found = self._models[model] = _Predictions()
        found.times[bisect_left(BOUNDS, seconds)] += 1
        found.seconds += seconds
        found.rows += rows

    def text(self, models: Iterable[Served]) -> str:
        """Return all of it."""
        lines = ["# TYPE scalable_requests_total counter"]
        lines += [
            f'scalable_requests_total{{status="{code}"}} {n}' for code, n in sorted(self._answers.items())
        ]
        lines += ["# TYPE scalable_rejections_total counter", f"scalable_rejections_total {self.rejected}"]
        lines += ["# TYPE scalable_queue gauge", f"scalable_queue {self.waiting}"]
        lines += ["# TYPE scalable_model_info gauge"]
        lines += [f'scalable_model_info{{model="{m.name}",version="{m.version}"}} 1' for m in models]
        lines += ["# TYPE scalable_rows_total counter"]
        lines += [f'scalable_rows_total{{model="{name}"}} {one.rows}' for name, one in self._models.items()]
        lines += ["# TYPE scalable_prediction_seconds histogram"]
        for name, one in self._models.items():
            total = 0
            for bound, n in zip((*BOUNDS, "+Inf"), one.times, strict=True):
                total += n
                lines.append(f'scalable_prediction_seconds_bucket{{model="{name}",le="{bound}"}} {total}')
            lines.append(f'scalable_prediction_seconds_sum{{model="{name}"}} {one.seconds}')
            lines.append(f'scalable_prediction_seconds_count{{model="{name}"}} {total}')
        return "\n".join(lines) + "\n"


SUMMED_GAUGES = {"scalable_queue"}


def added_up(texts: Sequence[str]) -> str:
    """Return the metrics of several processes as those of one: counts add up, of gauges it is the largest."""
    if len(texts) == 1:
        return texts[0]
    found: dict[str, float] = {}
    comments: dict[str, None] = {}
    gauges: set[str] = set()
    order: dict[str, list[str]] = {}  # samples below the comment that they came after
    for text in texts:
        above = ""
        for one in text.splitlines():
            if one.startswith("#"):
                above = one
                comments[one] = None
                if one.endswith(" gauge"):
                    gauges.add(one.split()[2])
                continue
            sample, _, value = one.rpartition(" ")
            name = sample.partition("{")[0]
            if sample not in found:
                order.setdefault(above, []).append(sample)
                found[sample] = float(value)
            elif name in gauges and name not in SUMMED_GAUGES:
                found[sample] = max(found[sample], float(value))
            else:
                found[sample] += float(value)
    lines = []
    for comment in ["", *comments]:
        lines += [comment] if comment else []
        lines += [f"{sample} {found[sample]!r}" if found[sample] % 1 else f"{sample} {found[sample]:.0f}"
                  for sample in order.get(comment, [])]  # fmt: skip
    return "\n".join(lines) + "\n"
