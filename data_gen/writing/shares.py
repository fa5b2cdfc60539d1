"""Datasets written by several machines: each leaves a manifest of its share, the last one joins them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from data_gen.datasets import recipe
from data_gen.errors import VerificationError
from data_gen.manifest import Manifest, read
from data_gen.optimum.scoring import new_truth
from data_gen.storage import read_arrays, write_arrays


def write_share(manifest: Manifest, truth: dict[str, np.ndarray[Any, Any]], share: tuple[int, int]) -> None:
    """Write a share's truth and manifest, the manifest last."""
    i, n = share
    write_arrays(manifest.directory / f"truth-{i}-of-{n}.npz", truth)
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
        When a share is missing or two shares belong to different requests.
    """
    out = Path(directory)
    names = sorted(path.name for path in out.glob("manifest-*-of-*.json"))
    if not names:
        raise VerificationError(f"{out} holds no shares (manifest-i-of-n.json) to combine")
    n = int(names[0].removesuffix(".json").split("-")[-1])
    shares = []
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
    bound = recipe(first.request.dataset, first.request.seed, first.request.knobs)
    truth = new_truth(bound.truth_kind)
    for i in range(n):
        truth.merge(read_arrays(out / f"truth-{i}-of-{n}.npz"))
    scores = {**bound.truth_parameters(), **truth.scores()}
    files = [entry for share in shares for entry in share.files]
    manifest = replace(first, files=files, truth=scores, share="")
    manifest.write()
    for i in range(n):
        (out / f"truth-{i}-of-{n}.npz").unlink()
        (out / f"manifest-{i}-of-{n}.json").unlink()
    return manifest
