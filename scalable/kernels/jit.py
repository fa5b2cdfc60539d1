"""The one home of the JIT decorators: cache, fast-math and GIL policy of every kernel.

Compiled kernels are cached in a per-user directory keyed by a hash of the kernel's file and of
every project file it imports, the Numba version and the CPU. Numba's own key is the mtime of the
*calling* file, so it keeps stale code when an inlined callee in another file changes
(numba#1833), which would make benchmarks across commits time the wrong commit.
"""

from __future__ import annotations

import functools
import gc
import os
import stat
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numba
from numba.core import caching, sigutils
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher
from numba.core.runtime import rtsys
from numba.core.types.misc import unliteral

from scalable.kernels.compilation import shipped
from scalable.kernels.compilation.cache_files import SealedCacheFile, is_private, make_private
from scalable.kernels.compilation.finished import DATA, FinishedCacheImpl, FinishedCompiler, entered
from scalable.kernels.compilation.linked import LinkedCacheImpl, LinkedCompiler, set_environments
from scalable.kernels.compilation.sources import portable_key, source_key

# Reassociation and contraction let LLVM vectorise reductions; NaN and infinity keep their IEEE
# meaning ("nnan" and "ninf" are absent), so data validation inside kernels stays sound.
FAST = {"reassoc", "contract", "arcp", "nsz", "afn"}


@functools.cache
def cache_root() -> Path:
    """Return the directory of compiled kernels (``SCALABLE_CACHE_DIR`` overrides its parent)."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = Path(os.environ.get("SCALABLE_CACHE_DIR") or f"{home}/scalable-training") / "kernels"
    try:
        make_private(path)
        if is_private(path):
            with tempfile.TemporaryFile(dir=path):
                return path
    except OSError:  # a read-only home must not stop training
        return _temporary_root()
    # Code is loaded from there: what somebody else may have written must not be.
    warnings.warn(
        f"{path}: others can write there, so compiled kernels are kept elsewhere; take that right away "
        "(chmod go-w) or set SCALABLE_CACHE_DIR",
        stacklevel=2,
    )
    return _temporary_root()


def _temporary_root() -> Path:
    path = Path(tempfile.gettempdir()) / f"scalable-training-{os.getuid()}"
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    status = path.lstat()
    mine = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077
    # Compiled code is loaded from here, so nobody else may have prepared the place.
    return path if mine else Path(tempfile.mkdtemp(prefix="scalable-training-"))


class _SourceKeyedLocator:
    """Tells Numba where a function's cache lives and which sources it depends on."""

    def __init__(self, py_func: Any, py_file: str) -> None:
        self._lineno = py_func.__code__.co_firstlineno
        self._py_file = py_file  # Numba names it where it warns that a function cannot be cached
        self._key = source_key(Path(py_file).resolve())

    def ensure_cache_path(self) -> None:
        make_private(Path(self.get_cache_path()))

    def get_cache_path(self) -> str:
        return str(cache_root() / self._key)

    def get_source_stamp(self) -> str:
        return self._key

    def get_disambiguator(self) -> str:
        return str(self._lineno)

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> _SourceKeyedLocator | None:
        return cls(py_func, py_file) if os.path.isfile(py_file) else None


class _SourceKeyedImpl(FinishedCacheImpl):
    _locator_classes = (_SourceKeyedLocator,)


class _SourceKeyedCache(caching.FunctionCache):
    _impl_class = _SourceKeyedImpl

    def __init__(self, py_func: Any) -> None:
        super().__init__(py_func)
        stamp = self._impl.locator.get_source_stamp()
        self._cache_file = SealedCacheFile(self.cache_path, self._impl.filename_base, stamp)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Load a kernel without the registries that only compilation needs: a tenth of a short command's time."""
        rtsys.initialize(target_context)  # the arrays' memory; all else that machine code calls is there
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)


class _KernelCache(_SourceKeyedCache):
    """Of what Python calls; what a wheel has brought along is finished and then kept as if it had been compiled."""

    def _load_overload(self, sig: Any, target_context: Any) -> Any:
        found = super()._load_overload(sig, target_context)
        if found is None:
            found = shipped.unpack(self._shipped(sig), target_context)
            if found is not None:
                found = entered(target_context, found)
                self._save_overload(sig, found)
        return found

    def _save_overload(self, sig: Any, data: Any) -> None:
        super()._save_overload(sig, data)
        if data.library.portable:
            shipped.pack(self._shipped(sig), data.library.portable, self._impl.reduce(data))

    def _shipped(self, sig: Any) -> Path:
        code = self._py_func.__code__
        key = portable_key(Path(code.co_filename).resolve())
        return shipped.place_of(key, f"{code.co_qualname}:{code.co_firstlineno}", sig)


class _LinkedLocator(_SourceKeyedLocator):
    """Keeps what is compiled for other kernels apart from what is compiled for Python."""

    def get_disambiguator(self) -> str:
        return f"{self._lineno}.linked"


class _LinkedImpl(LinkedCacheImpl):
    _locator_classes = (_LinkedLocator,)


class _LinkedCache(_SourceKeyedCache):
    _impl_class = _LinkedImpl


class _Compiled(CPUDispatcher):
    """A compiled function; of several processes that need it, one compiles it and the others wait and load it."""

    def compile(self, sig: Any) -> Any:
        # Numba's lock comes first, as everywhere else: two threads that took the two in turns would wait for ever.
        with global_compiler_lock, _garbage_kept():
            if tuple(sigutils.normalize_signature(sig)[0]) in self.overloads or self._cached(sig):
                return super().compile(sig)
            with self._cache._cache_file.claimed():
                return super().compile(sig)

    def _cached(self, sig: Any) -> bool:
        """Return whether a signature is in the cache, or there is none to wait for."""
        cache = self._cache
        if not isinstance(cache, _SourceKeyedCache):
            return True
        try:
            cache._impl.locator.ensure_cache_path()
        except OSError:
            return True
        return cache._index_key(sig, self.targetctx.codegen()) in cache._cache_file._load_index()


class _Kernel(_Compiled):
    """A kernel as Python calls it; other kernels are given another form of it (``kernels/compilation/linked.py``).

    A wrapper that Python can call takes half of the time to compile, and most kernels are called by kernels only.
    """

    @functools.cached_property
    def _entered(self) -> set[tuple[Any, ...]]:
        """Types with arrays not to be written to for which code of others is found."""
        return set()

    @functools.cached_property
    def linked(self) -> Any:
        """The form that other kernels call."""
        found = numba.jit(**self.targetoptions, **_LEAN, pipeline_class=LinkedCompiler)(self.py_func)
        if isinstance(self._cache, _SourceKeyedCache):
            found._cache = _LinkedCache(self.py_func)
        found.__class__ = _Compiled
        return found

    def compile(self, sig: Any) -> Any:
        """Compile for some types; for arrays that are not to be written to, no second time where none is written to."""
        given, _ = sigutils.normalize_signature(sig)
        plain = tuple(map(_writable, given))
        if plain == given:
            return super().compile(sig)
        with global_compiler_lock:
            entry = super().compile(plain)
            found = self.overloads[plain]
            protected = [k for k, each in enumerate(given) if each != plain[k]]
            code = found.fndesc
            if any(
                (code.llvm_func_name, f"arg.{code.args[k]}{DATA}") not in found.library.only_read
                for k in protected
            ):
                return super().compile(sig)
            if given not in self._entered:  # entered twice, they would be looked for in each call
                self._entered.add(given)
                self._insert([each._code for each in given], entry, False)
            return entry

    def add_overload(self, cres: Any) -> None:
        """Enter what was compiled or loaded."""
        set_environments(cres.library)
        super().add_overload(cres)

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """Return how a kernel calls this one; numbers in its text are as good as any: no form for each of them."""
        plain = {name: unliteral(each) for name, each in kws.items()}
        return self.linked.get_call_template(tuple(map(unliteral, args)), plain)

    def get_overload(self, sig: Any) -> Any:
        """Return the code that a kernel's call was resolved to."""
        return self.linked.get_overload(sig)


def _writable(kind: Any) -> Any:
    """Return the type of an array that may be written to; other types as they are."""
    return kind.copy(readonly=False) if isinstance(kind, numba.types.Array) and not kind.mutable else kind


@contextmanager
def _garbage_kept() -> Iterator[None]:
    """Collect no garbage meanwhile: to compile makes millions of objects, and hardly any garbage in circles."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


_LEAN = {"no_cpython_wrapper": True}


def kernel(*, fastmath: bool = False, inline: bool = False, cache: bool = True, **options: Any) -> Any:
    """Return a decorator that compiles a function to a GIL-free, cached native kernel.

    Parameters
    ----------
    fastmath : bool
        Allow reassociation and contraction (``FAST``). Results then depend on the CPU's vector
        width, never on the number of threads. NaN and infinity keep their meaning.
    inline : bool
        Force LLVM to inline the function into its callers (for scalar helpers of hot loops).
    cache : bool
        Keep the machine code on disk; not for functions made within others, whose key would be new in every process.
    **options
        Further ``numba.njit`` options, e.g. ``boundscheck``.
    """
    flags = FAST if fastmath else False
    settings: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": flags}
    settings["no_cfunc_wrapper"] = True  # nobody takes a kernel's address
    if inline:
        settings["forceinline"] = True
    settings.update(options)

    def decorate(py_func: Any) -> Any:
        dispatcher = numba.njit(**settings, pipeline_class=FinishedCompiler)(py_func)
        if not numba.config.DISABLE_JIT:
            if cache:
                dispatcher._cache = _KernelCache(py_func)
            dispatcher.__class__ = _Kernel
        return dispatcher

    return decorate


class Pending:
    """Tells whether a kernel with a slower substitute is to be used: once compiled, or when there is work enough.

    Parameters
    ----------
    kernel : compiled function
        What takes seconds to compile.
    patience : int
        Work, in units of the caller's, to be left to the substitute in this process before it is compiled.
    """

    def __init__(self, kernel: Any, patience: int) -> None:
        self._kernel, self.patience = kernel, patience

    def pays(self, work: int) -> bool:
        """Return whether to use the kernel for so much more work."""
        if self.patience > 0 and not is_compiled(self._kernel):
            self.patience -= work
        else:
            self.patience = 0
        return self.patience <= 0


def is_compiled(kernel: Any) -> bool:
    """Return whether a kernel was compiled before, for any types: in this process, or in the cache."""
    return bool(kernel.signatures) or os.path.exists(kernel._cache._cache_file._index_path)
