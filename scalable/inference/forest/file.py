"""Compiled forests on disk: one checked, versioned file of plain arrays.

Layout: 8 bytes of magic, the length of a JSON header (8 bytes, little-endian), the header, then arrays on 64-byte
boundaries. The header names each array's place and the CRC-32 of everything after the header. No code, no pickle.
The checksum finds damage, in a third of the time of a cryptographic one; whatever passes it is checked part against
part (see ``check``), as anybody can compute a checksum.

The file is read, not mapped: another model may take its name, or its bytes, while this one answers.
"""

from __future__ import annotations

import json
import math
import os
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scalable.errors import ModelError
from scalable.inference.forest import check
from scalable.inference.forest.block_program import Plan, aligned
from scalable.inference.forest.decisions import Decisions
from scalable.inference.forest.links import Link
from scalable.inference.forest.row_layout import FrozenForest
from scalable.inference.forest.trees import Arithmetic, Forest, LinearLeaves, Trees, arrays_of
from scalable.storage.replace import explained, replacing

MAGIC = b"SCFOREST"
VERSION = 5
_ALIGN = 64


@dataclass(slots=True)
class Compiled:
    """What is written and read: the forest, and its programs where it has them."""

    forest: Forest
    plan: Plan | None
    frozen: FrozenForest | None


def _padding(size: int) -> int:
    return -size % _ALIGN


def _arrays(compiled: Compiled) -> dict[str, np.ndarray]:
    """Return every array by part and name; tables of named fields as rows of bytes."""
    plan, frozen, trees = compiled.plan, compiled.frozen, compiled.forest.trees
    parts = {"trees": trees, "linear": trees.linear, "plan": plan, "decisions": plan and plan.decisions}
    found = {
        f"{prefix}.{name}": array
        for prefix, part in parts.items()
        if part is not None
        for name, array in arrays_of(part).items()
    }
    if frozen is not None:
        found["frozen"] = frozen.memory
    return {
        name: array if array.dtype.names is None else array.view(np.uint8).reshape(len(array), -1)
        for name, array in found.items()
    }


def write_compiled(compiled: Compiled, path: str | os.PathLike[str]) -> None:
    """Write a compiled forest atomically, whoever else writes to the same place.

    Raises
    ------
    ModelError
        The file cannot be written.
    """
    forest, plan = compiled.forest, compiled.plan
    places, at, checksum = {}, 0, 0
    chunks: list[bytes] = []
    for name, array in _arrays(compiled).items():
        data = np.ascontiguousarray(array).tobytes()
        places[name] = [array.dtype.str, list(array.shape), at]
        chunks += [data, bytes(_padding(len(data)))]
        at += len(data) + _padding(len(data))
    for chunk in chunks:
        checksum = zlib.crc32(chunk, checksum)
    trees = forest.trees
    header = {
        "version": VERSION, "crc32": checksum, "bytes": at, "arrays": places,
        "counts": {} if plan is None else {"n_slots": plan.n_slots, "n_planes": plan.decisions.n_planes},
        "trees": {"n_features": trees.n_features, "n_outputs": trees.n_outputs, "per_iteration": trees.per_iteration},
        "arithmetic": asdict(trees.arithmetic), "link": asdict(forest.link), "feature_names": forest.feature_names,
        "library": forest.library, "objective": forest.objective, "average": forest.average,
        "best_iteration": forest.best_iteration, "categories": forest.categories, "may_stop": forest.may_stop,
    }  # fmt: skip
    body = json.dumps(header).encode()
    body += b" " * _padding(16 + len(body))
    with explained(ModelError, path, "free space or choose another place"), replacing(path) as file:
        file.write(MAGIC + len(body).to_bytes(8, "little") + body)
        file.writelines(chunks)


def read_compiled(path: str | os.PathLike[str]) -> Compiled:
    """Read a compiled forest back.

    Raises
    ------
    ModelError
        Not such a file, of another version, truncated or altered.
    """
    source = Path(path)
    try:
        with open(source, "rb") as file:
            data = aligned(os.fstat(file.fileno()).st_size)
            data = data[: file.readinto(data.data)]
    except OSError as error:
        raise ModelError(f"{source}: cannot be read ({error.strerror})") from error
    size = int.from_bytes(data[8:16].tobytes(), "little")
    if data[:8].tobytes() != MAGIC or size > len(data) - 16:
        raise ModelError(f"{source}: not a compiled forest; compile the model and save it again")
    try:
        header = json.loads(data[16 : 16 + size].tobytes())
        if header["version"] != VERSION:
            raise ModelError(
                f"{source}: version {header['version']}, this program reads {VERSION}; compile and save it again"
            )
        payload = data[16 + size :]
        if len(payload) != header["bytes"]:
            raise ModelError(
                f"{source}: truncated, {len(payload):,} of {header['bytes']:,} bytes; copy it again"
            )
        if zlib.crc32(payload.data) != header["crc32"]:
            raise ModelError(f"{source}: altered since it was saved; compile the model and save it again")
        return _rebuild(header, payload)
    except (KeyError, ValueError, TypeError, IndexError, OverflowError, AttributeError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{source}: damaged ({error}); compile the model and save it again") from error


def _rebuild(header: dict[str, Any], payload: np.ndarray) -> Compiled:
    arrays: dict[str, np.ndarray] = {}
    for name, (dtype, shape, at) in header["arrays"].items():
        if at < 0 or at % _ALIGN or min(shape, default=0) < 0:
            raise ValueError(f"place of {name}")
        kind, count = np.dtype(dtype), math.prod(shape)
        array = payload[at : at + count * kind.itemsize].view(kind).reshape(shape)
        table = check.TABLES.get(name)
        arrays[name] = array if table is None else np.ascontiguousarray(array).view(table)[:, 0]

    def part(prefix: str) -> dict[str, Any]:
        return {name.split(".")[1]: a for name, a in arrays.items() if name.startswith(prefix + ".")}

    arithmetic = header["arithmetic"] | {"start": tuple(map(float, header["arithmetic"]["start"]))}
    linear = LinearLeaves(**part("linear")) if "linear.start" in arrays else None
    trees = Trees(**header["trees"], **part("trees"), linear=linear, arithmetic=Arithmetic(**arithmetic))
    names = [str(name) for name in header["feature_names"]]
    forest = Forest(
        trees, Link(**header["link"]), names, str(header["library"]), header["objective"], bool(header["average"]),
        int(header["best_iteration"]), header["categories"], bool(header["may_stop"]),
    )  # fmt: skip
    check.check_forest(forest)
    if "plan.groups" not in arrays or not trees.compilable:
        return Compiled(forest, None, None)
    counts = header["counts"]
    decisions = Decisions(n_planes=int(counts["n_planes"]), **part("decisions"))
    check.check_decisions(decisions, trees)
    plan = Plan(
        decisions=decisions, n_slots=int(counts["n_slots"]), n_outputs=trees.n_outputs, **part("plan")
    )
    check.check_plan(plan, trees)
    frozen = arrays.get("frozen")
    if frozen is not None:
        check.check_frozen(frozen, trees)
    return Compiled(forest, plan, None if frozen is None else FrozenForest(frozen))
