"""Datasets written by several machines: each leaves a manifest of its share, the last one joins them."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from data_gen.errors import VerificationError
from data_gen.manifest import FileEntry, Manifest, read, recipe_of
from data_gen.optimum.scoring import new_truth
from data_gen.storage import read_truth, write_truth
from scalable.storage.documents import SHAPELESS, understood
from scalable.storage.files import store_of
from scalable.storage.places import place

_NAME = re.compile(r"manifest-\d+-of-(\d+)\.json")


def write_share(manifest: Manifest, truth: dict[str, np.ndarray[Any, Any]], share: tuple[int, int]) -> None:
    """Write a share's truth and manifest, the manifest last."""
    i, n = share
    write_truth(manifest.directory / f"truth-{i}-of-{n}.arrays", truth)
    manifest.write(f"manifest-{i}-of-{n}.json")


def combine_if_complete(out: Path, n: int) -> Manifest | None:
    """Return the joined manifest when all `n` shares are in `out`, else None."""
    present = all((out / f"manifest-{i}-of-{n}.json").exists() for i in range(n))
    return combine(out) if present else None


def combine(directory: str | os.PathLike[str]) -> Manifest:
    """Join the manifests of all shares in a directory into manifest.json.

    Raises
    ------
    VerificationError
        When a share or a file of one is missing or damaged, or two shares belong to different requests.
    """
    out = place(directory)
    names = sorted(path.name for path in out.glob("manifest-*-of-*.json") if _NAME.fullmatch(path.name))
    if not names:
        raise VerificationError(f"{out} holds no shares (manifest-i-of-n.json) to combine")
    n, shares = int(_NAME.sub(r"\1", names[0])), []
    for i in range(n):
        if f"manifest-{i}-of-{n}.json" not in names:
            raise VerificationError(f"{out} lacks share {i} of {n}; generate it with --shards-of {i}/{n}")
        shares.append(read(out, f"manifest-{i}-of-{n}.json"))
    first = shares[0]
    for share in shares[1:]:
        if share.request != first.request or share.versions != first.versions:
            raise VerificationError(
                f"{out}: share {share.share} was made by another request than {first.share}"
            )
    bound = recipe_of(first)
    truth = new_truth(bound.truth_kind)
    files = [entry for share in shares for entry in share.files]
    _check_whole(out, files, first.request.rows)
    for i in range(n):
        path, rows = out / f"truth-{i}-of-{n}.arrays", sum(entry.rows for entry in shares[i].files)
        truth.merge(_checked(path, bound.truth_kind, rows))
    with understood(VerificationError, out, "generate its shares again"):
        scores = {**bound.truth_parameters(), **truth.scores()}
        json.dumps(scores, allow_nan=False)
    manifest = replace(first, files=files, truth=scores, share="")
    manifest.write()
    for i in range(n):
        (out / f"truth-{i}-of-{n}.arrays").unlink()
        (out / f"manifest-{i}-of-{n}.json").unlink()
    return manifest


def _checked(path: Path, kind: str, rows: int) -> dict[str, np.ndarray[Any, Any]]:
    """Return the truth of a share of so many rows, which must be like that of any other."""
    try:
        found, own = read_truth(path), new_truth(kind)
        like = own.arrays()
        for name, array in found.items():
            expected = np.stack([like["rows"]] * 2) if name == "copies" else like[name]
            if (array.shape, array.dtype) != (expected.shape, expected.dtype):
                raise ValueError(f"{name} is {array.dtype} of shape {array.shape}")
        own.merge(found)
        scores = own.scores()
        json.dumps(scores, allow_nan=False)
        if scores["rows"] != rows:
            raise ValueError(f"it is of {scores['rows']:,} rows, its share of {rows:,}")
    except (OSError, *SHAPELESS) as error:
        raise VerificationError(
            f"{path} is missing or damaged ({error}); generate its share again"
        ) from error
    return found


def _check_whole(out: Path, files: list[FileEntry], rows: int) -> None:
    """Refuse files that are not here, or are not of all rows."""
    following = 0
    for entry in sorted(files, key=lambda entry: entry.first_row):
        path = out / entry.path
        if not path.is_file() or store_of(path).version(path).size != entry.bytes:
            raise VerificationError(
                f"{path} is missing or cut: {entry.bytes:,} bytes were written; copy it again"
            )
        if entry.first_row != following:
            break
        following += entry.rows
    if following != rows:
        raise VerificationError(
            f"{out}: the shares hold {following:,} of {rows:,} rows, or some twice; generate again"
        )
