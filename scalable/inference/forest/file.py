"""Compiled forests on disk: one checked, versioned file of plain arrays that is memory-mapped back.

Layout: 8 bytes of magic, the length of a JSON header (8 bytes, little-endian), the header, then arrays on 64-byte
boundaries. The header names each array's place and the CRC-32 of everything after the header. No code, no pickle.
The checksum finds damage, in a third of the time of a cryptographic one; whatever passes it is checked part against
part (see ``compiled_check``), as anybody can compute a checksum.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import zlib
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from scalable.errors import ModelError
from scalable.inference.forest import check as compiled_check
from scalable.inference.forest.block_program import Plan
from scalable.inference.forest.compiled import CompiledForest
from scalable.inference.forest.decisions import Decisions
from scalable.inference.forest.links import link_of
from scalable.inference.forest.row_layout import FrozenForest
from scalable.inference.forest.trees import Trees
from scalable.storage.replace import explained, replacing

MAGIC = b"SCFOREST"
VERSION = 4
_ALIGN = 64


def _arrays_of(prefix: str, item: Any) -> dict[str, np.ndarray]:
    found = {}
    for field in fields(item):
        value = getattr(item, field.name)
        if isinstance(value, np.ndarray):
            found[f"{prefix}.{field.name}"] = value
    return found


def _padding(size: int) -> int:
    return -size % _ALIGN


def save_compiled(forest: CompiledForest, path: str | os.PathLike[str]) -> None:
    """Write a compiled forest atomically.

    Raises
    ------
    ModelError
        The file cannot be written.
    """
    arrays = _arrays_of("trees", forest.trees)
    plan, frozen = forest.plan, forest.frozen
    counts: dict[str, int] = {}
    if plan is not None:
        arrays |= _arrays_of("plan", plan) | _arrays_of("decisions", plan.decisions)
        counts = {"n_slots": plan.n_slots, "n_planes": plan.decisions.n_planes}
    if frozen is not None:
        arrays["frozen"] = frozen.memory
    places, at, checksum = {}, 0, 0
    chunks: list[bytes] = []
    for name, array in arrays.items():
        data = np.ascontiguousarray(array).tobytes()
        places[name] = [array.dtype.str, list(array.shape), at]
        chunks += [data, bytes(_padding(len(data)))]
        at += len(data) + _padding(len(data))
    for chunk in chunks:
        checksum = zlib.crc32(chunk, checksum)
    header = {
        "version": VERSION, "crc32": checksum, "bytes": at, "arrays": places, "counts": counts,
        "per_iteration": forest.n_outputs, "n_features": forest.n_features, "feature_names": forest.feature_names,
        "objective": forest.objective,
        "average": forest.average, "best_iteration": forest.best_iteration,
        "pandas_categorical": forest.pandas_categorical,
    }  # fmt: skip
    body = json.dumps(header).encode()
    body += b" " * _padding(16 + len(body))
    with explained(ModelError, path, "free space or choose another place"), replacing(path) as file:
        file.write(MAGIC + len(body).to_bytes(8, "little") + body)
        file.writelines(chunks)


def load_compiled(path: str | os.PathLike[str]) -> CompiledForest:
    """Map a compiled forest back into memory; pages are private, the file is never changed.

    Raises
    ------
    ModelError
        Not such a file, of another version, truncated or altered.
    """
    source = Path(path)
    try:
        with open(source, "rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is empty"
        raise ModelError(f"{source}: cannot be read ({reason})") from error
    size = int.from_bytes(mapped[8:16], "little")
    if mapped[:8] != MAGIC or size > len(mapped) - 16:
        raise ModelError(f"{source}: not a compiled forest; compile the model and save it again")
    try:
        header = json.loads(mapped[16 : 16 + size])
        if header["version"] != VERSION:
            raise ModelError(
                f"{source}: version {header['version']}, this program reads {VERSION}; compile and save it again"
            )
        start, length = 16 + size, header["bytes"]
        if len(mapped) != start + length:
            raise ModelError(
                f"{source}: truncated, {len(mapped) - start:,} of {length:,} bytes; copy it again"
            )
        payload = np.frombuffer(mapped, np.uint8, length, start)
        if zlib.crc32(payload.data) != header["crc32"]:
            raise ModelError(f"{source}: altered since it was saved; compile the model and save it again")
        return _rebuild(header, payload)
    except (KeyError, ValueError, TypeError, IndexError, OverflowError, AttributeError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{source}: damaged ({error}); compile the model and save it again") from error


def _rebuild(header: dict[str, Any], payload: np.ndarray) -> CompiledForest:
    arrays: dict[str, np.ndarray] = {}
    for name, (dtype, shape, at) in header["arrays"].items():
        if at < 0 or at % _ALIGN or min(shape, default=0) < 0:
            raise ValueError(f"place of {name}")
        kind, count = np.dtype(dtype), math.prod(shape)
        arrays[name] = payload[at : at + count * kind.itemsize].view(kind).reshape(shape)

    def part(prefix: str) -> dict[str, Any]:
        return {name.split(".")[1]: a for name, a in arrays.items() if name.startswith(prefix + ".")}

    per_iteration, counts = int(header["per_iteration"]), header["counts"]
    names = [str(name) for name in header["feature_names"]]
    trees = Trees(per_iteration=per_iteration, n_features=int(header["n_features"]), **part("trees"))
    compiled_check.check_trees(trees, len(names))
    forest = CompiledForest(
        trees, link_of(header["objective"]), names, objective=header["objective"],
        average=bool(header["average"]), best_iteration=int(header["best_iteration"]),
        pandas_categorical=header["pandas_categorical"],
    )  # fmt: skip
    if "plan.groups" in arrays and forest.compilable:
        decisions = Decisions(n_planes=int(counts["n_planes"]), **part("decisions"))
        compiled_check.check_decisions(decisions, trees.n_features, len(trees.feature))
        plan = Plan(
            decisions=decisions, n_slots=int(counts["n_slots"]), n_outputs=per_iteration, **part("plan")
        )
        compiled_check.check_plan(plan, trees.n_trees)
        frozen = arrays.get("frozen")
        if frozen is not None:
            compiled_check.check_frozen(frozen, trees)
        forest.adopt(plan, None if frozen is None else FrozenForest(frozen, frozen.ctypes.data))
    return forest
