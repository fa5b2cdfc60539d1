"""Kernels that a wheel brings along, as LLVM's code that fits any processor of one architecture.

Half of the time a kernel takes to compile, Python writes this code. What is left for the first run is what depends
on the processor: optimising the whole, and machine code; what comes out is what compiling here would have made. The
files lie in the package, so who could change them could change its Python, too. Where there is none for the
versions at hand, kernels are compiled. `.ci/wheel.py` writes them.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
import zlib
from pathlib import Path
from typing import Any

import llvmlite.binding
from numba.core import caching

from scalable.kernels.compilation.finished import FinishedLibrary, rebuilt

HOME = Path(__file__).resolve().parents[1] / "shipped"


def place_of(key: str, name: str, signature: Any) -> Path:
    """Return the file of a kernel's form.

    Parameters
    ----------
    key : str
        Says what it was compiled from.
    name : str
        The kernel.
    signature : tuple
        Types of Numba's.
    """
    facts = (key, name, signature, sys.version_info[:2], llvmlite.binding.get_process_triple())
    return HOME / f"{hashlib.blake2b(repr(facts).encode(), digest_size=12).hexdigest()}.kernel"


def pack(place: Path, code: bytes, payload: Any) -> None:
    """Write what the cache keeps of a compiled kernel, with other code, into a file that may be there already."""
    (name, *_), *rest = payload
    HOME.mkdir(exist_ok=True)
    new = place.with_suffix(f".{os.getpid()}")
    new.write_bytes(zlib.compress(caching.dumps(((name, code), *rest)), 9))
    new.replace(place)


def unpack(place: Path, target_context: Any) -> Any:
    """Return a compiled kernel made from a file, without an entry; None where it is missing or damaged."""
    try:
        kept = caching.pickle.loads(zlib.decompress(place.read_bytes()))
    except (OSError, zlib.error, pickle.UnpicklingError, EOFError):
        return None
    return rebuilt(target_context, kept, ShippedLibrary)


class ShippedLibrary(FinishedLibrary):
    """The machine code of a kernel that was shipped."""

    @classmethod
    def restored(cls, codegen: Any, kept: Any) -> ShippedLibrary:
        """Return the library of what was packed."""
        name, code = kept
        library = cls(codegen, name)
        library.enable_object_caching()
        library._final_module = llvmlite.binding.parse_bitcode(code)
        library.finalize()
        return library
