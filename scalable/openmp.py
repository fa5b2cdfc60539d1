"""OpenMP threads soon sleep while they wait for each other: spinning, they take processors from those they wait for."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Mapping

_LIBRARY = "libgomp.so.1"  # of the system, that LightGBM asks for; scikit-learn has its own


def short_waits(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what to add to an environment for GNU's OpenMP to spin for microseconds; nothing where it is told already.

    A thousand turns are what it takes itself where it has more threads than processors. By default it spins for
    milliseconds: a fit of 320,000 rows took five times as long where others were at work. Not spinning at all wakes
    threads too late: a fit of 10,000 rows took 2.7 times as long where nobody was.
    """
    told = "OMP_WAIT_POLICY" in environ or "GOMP_SPINCOUNT" in environ
    return {} if told else {"GOMP_SPINCOUNT": "1000"}


def load_patiently() -> None:
    """Load GNU's OpenMP with `short_waits`, unless it is loaded already.

    The environment is read when the library is loaded, and left as it was: programs that are started from here are none
    of our business.
    """
    added = short_waits(os.environ)
    os.environ.update(added)
    try:
        with contextlib.suppress(OSError):  # macOS and others have it under another name, and other habits
            ctypes.CDLL(_LIBRARY)
    finally:
        for name in added:
            del os.environ[name]
