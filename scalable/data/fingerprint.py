"""What a piece of work depends on, part by part: every resume, checkpoint and cache compares this one thing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Set
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from scalable.storage.documents import SHAPELESS

_SHOWN = 40  # characters of a value that a message shows; longer ones only differ
_NAMED = 4  # differences that a message names
_STRIP = 2**17  # rows hashed at once


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Named parts, as JSON would have them.

    Attributes
    ----------
    parts : dict
        Of a source: ``files`` (path, size and version of each) or ``columns`` (digests of what a table holds),
        ``shards``, ``selection``, ``roles``, ``features``; and whatever else was joined to them.
    """

    parts: dict[str, Any]

    def joined(self, **others: Any) -> Fingerprint:
        """Return the same with further parts: parameters, an encoder, a model."""
        return Fingerprint({**self.parts, **plain(others)})

    def digest(self, *names: str) -> str:
        """Return the SHA-256 of some parts, by default of all."""
        chosen = {name: self.parts[name] for name in names or self.parts}
        return digest_of(chosen)

    def difference(self, found: Any) -> str:
        """Return what differs in the parts of an earlier work; empty when nothing does.

        Parameters
        ----------
        found : dict
            ``parts`` of another fingerprint, perhaps read back from JSON.

        Returns
        -------
        str
            Such as ``file /data/a.parquet changed since; target was 'paid', is 'late'``.
        """
        if not isinstance(found, Mapping):
            return "it does not say what it depends on"
        told: list[str] = []
        for name in dict.fromkeys([*self.parts, *found]):
            was, now = found.get(name), self.parts.get(name)
            if _text(was) != _text(now):
                try:
                    told += _explain(name, was, now)
                except SHAPELESS:
                    told.append(f"{name} was {_text(was):.60}")
        told = list(dict.fromkeys(told))
        more = len(told) - _NAMED
        return "; ".join(told[:_NAMED]) + (f"; and {more} more" if more > 0 else "")


def digest_of(value: Any) -> str:
    """Return the SHA-256 of a value, for parts too large to be kept whole."""
    return hashlib.sha256(_text(plain(value)).encode()).hexdigest()


def plain(value: Any) -> Any:
    """Return `value` in JSON's own types, the same in every process; what JSON has no word for as text."""
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else repr(key): plain(item) for key, item in value.items()}
    if isinstance(value, Set):
        return sorted(map(_text, map(plain, value)))
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    return value if value is None or isinstance(value, (bool, int, float, str)) else repr(value)


def content_of(column: pa.ChunkedArray) -> str:
    """Return a digest of the values of a column, whatever chunks and dictionaries hold them."""
    digest = hashlib.sha256(str(column.type).encode())
    for start in range(0, len(column), _STRIP):
        strip = column.slice(start, _STRIP).combine_chunks()
        values = pa.concat_arrays(strip.chunks) if isinstance(strip, pa.ChunkedArray) else strip
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        if values.null_count:  # what lies beneath a null is not of the content
            _update(digest, values.is_null())
            values = values.drop_null()
        _update(digest, values)
    return digest.hexdigest()


def _update(digest: Any, array: pa.Array) -> None:
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())  # the last byte of a slice holds its neighbours' bits
    digest.update(pa.record_batch([array], ["values"]).serialize())


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _explain(name: str, was: Any, now: Any) -> Iterator[str]:
    """Yield the differences of one part in words."""
    if name in ("files", "columns") and (was is None or now is None):
        yield "the rows come from another kind of source"
    elif name == "files":
        told = list(_files({each[0]: each[1:] for each in was}, {each[0]: each[1:] for each in now}))
        yield from told or ["files are listed more than once"]
    elif name in ("shards", "selection"):
        yield "the rows are selected otherwise"
    elif isinstance(was, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*was, *now]):
            if _text(was.get(key)) != _text(now.get(key)):
                label = f"column {key!r}" if name == "columns" else key
                yield _change(label, was.get(key), now.get(key))
    else:
        yield _change(name, was, now)


def _files(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"file {path} changed since" for path in now if path in was and was[path] != now[path])
    yield from (f"file {path} is new" for path in now if path not in was)
    yield from (f"file {path} is no longer among the files" for path in was if path not in now)
    if set(was) == set(now) and list(was) != list(now):
        yield "the files come in another order"


def _change(label: str, was: Any, now: Any) -> str:
    if max(len(repr(was)), len(repr(now))) > _SHOWN:
        return f"{label} differs"
    return f"{label} was {was!r}, is {now!r}"
