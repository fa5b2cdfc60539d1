"""OpenMP threads sleep while they wait for each other: spinning, they take processors from those they wait for."""

from __future__ import annotations

import contextlib
import ctypes
import os

_WORD = "OMP_WAIT_POLICY"
_LIBRARY = "libgomp.so.1"  # of the system, that LightGBM asks for; scikit-learn has its own


def load_patiently() -> None:
    """Load GNU's OpenMP so that its threads wait asleep, unless the environment says otherwise or it is loaded already.

    A fit of 320,000 rows in this process took five times as long where others were at work. The environment is read
    when the library is loaded, and left as it was: programs that are started from here are none of our business.
    """
    if _WORD in os.environ or "GOMP_SPINCOUNT" in os.environ:
        return
    os.environ[_WORD] = "PASSIVE"
    try:
        with contextlib.suppress(OSError):  # macOS and others have it under another name, and other habits
            ctypes.CDLL(_LIBRARY)
    finally:
        del os.environ[_WORD]
