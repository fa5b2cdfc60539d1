"""A dataset bound to its seed and knobs: computes any rows of any columns, without state.

Rows are computed in chunks that start at multiples of `CHUNK`, whatever range was asked for, so a
vector loop always sees the same rows in the same lanes and a value never depends on the request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from data_gen.columns import Column, Frame, Values
from data_gen.errors import RequestError, nearest
from data_gen.values.random import Stream

CHUNK = 1 << 15  # rows; measured: smaller ones fit the cache better but pay more for Python's calls
MAX_ROW = 1 << 63


def makes(*names: str) -> Callable[[Any], Any]:
    """Mark a method of a `Chunk` as the maker of these quantities (it returns them in this order)."""

    def mark(method: Any) -> Any:
        method.makes = names
        return method

    return mark


class Chunk:
    """Rows ``start .. start + n`` of a recipe: quantities are made when first asked for, once.

    Parameters
    ----------
    recipe : Recipe
    start : int
        First row, a multiple of `CHUNK`.
    n : int
        Rows, `CHUNK` unless a test says otherwise.

    Attributes
    ----------
    copies : (n,) int64 or None
        For each row, how many rows are copies of one another with it, itself included; None where rows are independent.
    """

    copies: Any = None

    makers: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls) -> None:
        found = (m for c in reversed(cls.__mro__) for m in vars(c).values() if hasattr(m, "makes"))
        cls.makers = {name: method for method in found for name in method.makes}

    def __init__(self, recipe: Any, start: int, n: int = CHUNK) -> None:
        self.recipe, self.start, self.n = recipe, start, n
        self._made: dict[str, Any] = {}
        self._places: Frame = {}

    def put_into(self, frame: Frame, start: int, stop: int) -> None:
        """Let makers write to `frame` (rows ``start .. stop``) directly where it holds the whole chunk."""
        if start <= self.start and self.start + self.n <= stop:
            self._places = part_of(frame, self.start - start, self.start + self.n - start)

    def room(self, name: str, dtype: Any) -> Any:
        """Return an array for the values of a column that has no missing ones: its final place, if known."""
        place = self._places.get(name)
        return np.empty(self.n, dtype) if place is None else place.data

    def in_place(self, name: str, values: Values) -> bool:
        """Return whether `values` are already where `put_into` said they belong."""
        return name in self._places and values.data is self._places[name].data

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            maker = self.makers[name]
            made = maker(self)
            self._made.update(zip(maker.makes, made if len(maker.makes) > 1 else (made,), strict=True))
        return self._made[name]

    def words(self, name: str) -> np.ndarray[Any, np.dtype[np.uint32]]:
        """Return the chunk's 32-bit words of a named stream."""
        return self.recipe.stream(name).words(self.start, self.n)  # type: ignore[no-any-return]

    def bits(self, name: str) -> np.ndarray[Any, np.dtype[np.uint64]]:
        """Return the chunk's 64-bit words of a named stream."""
        return self.recipe.stream(name).bits(self.start, self.n)  # type: ignore[no-any-return]

    def column(self, name: str) -> Values:
        """Return an output column."""
        made = self[name]
        return made if isinstance(made, Values) else Values(made)


class Recipe:
    """A dataset bound to its seed and knobs.

    Parameters
    ----------
    name : str
        Name of the dataset; part of the address of every value.
    seed : int
    knobs : mapping
        Complete and checked.

    Attributes
    ----------
    columns : tuple of Column
        Columns of the files, the target last.
    target : str or None
    truth_kind : str
        ``"binary"``, ``"regression"`` or ``"mixture"``: which scores are known.
    """

    chunk_type: ClassVar[type[Chunk]] = Chunk
    truth_kind: ClassVar[str]
    columns: tuple[Column, ...]
    target: str | None

    def __init__(self, name: str, seed: int, knobs: Mapping[str, Any]) -> None:
        self.name, self.seed, self.knobs = name, seed, dict(knobs)
        self._streams: dict[str, Stream] = {}

    def stream(self, name: str) -> Stream:
        """Return the random stream of a column or of a hidden quantity of the rows."""
        if name not in self._streams:
            self._streams[name] = Stream.of(self.seed, self.name, name)
        return self._streams[name]

    def select(self, names: Iterable[str] | None) -> tuple[Column, ...]:
        """Return the named columns, in the order asked for (all of them for None).

        Raises
        ------
        RequestError
            When a name is unknown.
        """
        if names is None:
            return self.columns
        known = {column.name: column for column in self.columns}
        wanted = list(names)
        for name in wanted:
            if name not in known:
                raise RequestError(f"{self.name} has no column {name!r}{nearest(name, known)}")
        return tuple(known[name] for name in wanted)

    def chunks(self, start: int, stop: int) -> Iterator[Chunk]:
        """Yield the aligned chunks that cover the rows ``start .. stop``."""
        for first in range(start - start % CHUNK, stop, CHUNK):
            yield self.chunk_type(self, first)

    def compute(self, start: int, stop: int, columns: Sequence[Column], room: Frame | None = None) -> Frame:
        """Return generated values of rows ``start .. stop`` (which may be any), for `columns`, in `room`."""
        frame = empty_frame(columns, stop - start) if room is None else room
        for chunk in self.chunks(start, stop):
            chunk.put_into(frame, start, stop)
            copy_rows(frame, chunk, start, stop)
        return frame

    def score(
        self, start: int, stop: int, columns: Sequence[Column], room: Frame | None = None
    ) -> tuple[Frame, Any]:
        """Return the values and what the truth accumulator needs about the same rows.

        `room` is a frame of at least as many rows to write into: a writer that keeps one spares the
        kernel from clearing fresh pages for every row group.
        """
        raise NotImplementedError

    def truth_parameters(self) -> dict[str, Any]:
        """Return the true parameters worth writing to the manifest, JSON types only."""
        return {}


def empty_frame(columns: Sequence[Column], n_rows: int) -> Frame:
    """Return uninitialised values for `columns`, with room for missing ones where nullable."""
    return {
        c.name: Values(np.empty(n_rows, c.storage), np.ones(n_rows, np.bool_) if c.nullable else None)
        for c in columns
    }


def part_of(frame: Frame, start: int, stop: int) -> Frame:
    """Return views of the rows ``start .. stop`` of a frame."""
    here = slice(start, stop)
    return {
        name: Values(v.data[here], None if v.valid is None else v.valid[here]) for name, v in frame.items()
    }


def copy_rows(frame: Frame, chunk: Chunk, start: int, stop: int) -> None:
    """Copy the rows of `chunk` inside ``start .. stop`` to their place in `frame`."""
    low, high = max(start, chunk.start), min(stop, chunk.start + chunk.n)
    here, there = slice(low - chunk.start, high - chunk.start), slice(low - start, high - start)
    for name, out in frame.items():
        values = chunk.column(name)
        if not chunk.in_place(name, values):
            out.data[there] = values.data[here]
        if values.valid is not None and out.valid is not None:
            out.valid[there] = values.valid[here]
