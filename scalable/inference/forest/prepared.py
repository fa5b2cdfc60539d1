"""Kernels compiled for one signature, so that other arguments are refused instead of compiled for."""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def prepared(kernel: Any, signature: Any) -> Any:
    """Return `kernel`, compiled (or loaded from the cache) for `signature` only; others raise TypeError."""
    kernel.compile(signature)
    kernel.disable_compile()
    return kernel
