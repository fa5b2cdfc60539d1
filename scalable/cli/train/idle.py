"""How many processors nobody uses just now."""

from __future__ import annotations

import time

from scalable.kernels.processors import available_processors

LOOK_SECONDS = 0.1


def idle_processors() -> float:
    """Return how many of the available processors nobody uses, watched for a tenth of a second.

    The load average would tell of the last minute: after an installation it calls an idle machine busy.
    """
    import psutil

    before = psutil.cpu_times()
    time.sleep(LOOK_SECONDS)
    spent = [b - a for a, b in zip(before, psutil.cpu_times(), strict=True)]
    idle = spent[before._fields.index("idle")]
    share = idle / total if (total := sum(spent)) > 0.0 else 0.0
    return share * available_processors()
