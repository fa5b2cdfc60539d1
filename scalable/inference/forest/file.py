"""Compiled forests on disk: one checked, versioned file of arrays.

The container finds damage; whatever passes its checksum is checked part against part (see ``check``), as anybody can
compute a checksum. The file is read, not mapped: another model may take its name, or its bytes, while this one answers.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from scalable.errors import ModelError
from scalable.inference.forest import check
from scalable.inference.forest.block_program import Plan
from scalable.inference.forest.decisions import Decisions
from scalable.inference.forest.links import Link
from scalable.inference.forest.row_layout import FrozenForest
from scalable.inference.forest.trees import Arithmetic, Forest, Labels, LinearLeaves, Trees, arrays_of
from scalable.storage.arrays import MAGIC, ArraysError, read_arrays, write_arrays
from scalable.storage.documents import SHAPELESS, typed
from scalable.storage.files import store_of
from scalable.storage.replace import explained

KIND = "compiled forest 7"
_BEFORE = b"SCFOREST"  # how files of earlier releases begin


@dataclass(slots=True)
class Compiled:
    """What is written and read: the forest, and its programs where it has them."""

    forest: Forest
    plan: Plan | None
    frozen: FrozenForest | None


def _arrays(compiled: Compiled) -> dict[str, np.ndarray]:
    """Return every array by part and name."""
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
    return found


def write_compiled(compiled: Compiled, path: str | os.PathLike[str]) -> None:
    """Write a compiled forest atomically, whoever else writes to the same place.

    Raises
    ------
    ModelError
        The file cannot be written.
    """
    forest, plan = compiled.forest, compiled.plan
    trees = forest.trees
    meta = {
        "counts": {} if plan is None else {"n_slots": plan.n_slots, "n_planes": plan.decisions.n_planes},
        "trees": {"n_features": trees.n_features, "n_outputs": trees.n_outputs, "per_iteration": trees.per_iteration},
        "arithmetic": asdict(trees.arithmetic), "link": asdict(forest.link), "feature_names": forest.feature_names,
        "library": forest.library, "objective": forest.objective, "average": forest.average,
        "best_iteration": forest.best_iteration, "categories": forest.categories, "may_stop": forest.may_stop,
        "labels": None if forest.labels is None else asdict(forest.labels), "category_columns": forest.category_columns,
    }  # fmt: skip
    with explained(ModelError, path, "free space or choose another place"):
        write_arrays(path, KIND, _arrays(compiled), meta)


def is_compiled(path: str | os.PathLike[str]) -> bool:
    """Return whether a file begins as compiled forests do, those of earlier releases too."""
    return store_of(path).read(path, 0, len(_BEFORE)) in (MAGIC, _BEFORE)


def read_compiled(path: str | os.PathLike[str]) -> Compiled:
    """Read a compiled forest back.

    Raises
    ------
    ModelError
        Not such a file, of another version, truncated or altered.
    """
    again = "compile the model and save it again: compile_model(MODEL).save(FILE)"
    try:
        stored = read_arrays(path, KIND)
        return _rebuild(stored.meta, stored.arrays)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    except ArraysError as error:
        if store_of(path).read(path, 0, len(_BEFORE)) == _BEFORE:
            raise ModelError(
                f"{path}: compiled by an earlier release, which this one cannot read; {again}"
            ) from error
        raise ModelError(
            f"{path}: not a compiled forest of this release, or damaged ({error}); {again}"
        ) from error
    except SHAPELESS as error:
        raise ModelError(f"{path}: damaged ({error}); {again}") from error


def _rebuild(header: Mapping[str, Any], arrays: dict[str, np.ndarray]) -> Compiled:
    for name, table in check.TABLES.items():
        if name in arrays and arrays[name].dtype == table:
            arrays[name] = arrays[name].view(table)  # kernels are compiled for its very padding

    def part(prefix: str) -> dict[str, Any]:
        return {name.split(".")[1]: a for name, a in arrays.items() if name.startswith(prefix + ".")}

    arithmetic = header["arithmetic"] | {"start": tuple(map(float, header["arithmetic"]["start"]))}
    linear = LinearLeaves(**part("linear")) if "linear.start" in arrays else None
    trees = Trees(**header["trees"], **part("trees"), linear=linear, arithmetic=typed(Arithmetic, arithmetic))
    names, labels = [str(name) for name in header["feature_names"]], header["labels"]
    forest = Forest(
        trees, typed(Link, header["link"]), names, str(header["library"]), header["objective"], bool(header["average"]),
        int(header["best_iteration"]), header["categories"], bool(header["may_stop"]),
        None if labels is None else typed(Labels, labels), header.get("category_columns"),
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
