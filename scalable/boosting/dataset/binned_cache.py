"""Filled datasets kept on disk, so that the next run on the same rows skips decoding and binning.

A worker's dataset is LightGBM's own binary file, beside a document that says what it was made from and its SHA-256.
Whatever does not match, or cannot be read, is named and made again; a cache never changes a model.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import lightgbm as lgb

from scalable.boosting.dataset.lightgbm_api import read_binned
from scalable.data.fingerprint import Fingerprint
from scalable.storage.documents import SHAPELESS
from scalable.storage.files import sha256_of
from scalable.storage.replace import replacing_directory, sync

DATASET = "dataset.bin"
DOCUMENT = "cache.json"
FORMAT = 2


@dataclass(frozen=True, slots=True)
class BinnedCache:
    """One filled dataset on disk.

    Attributes
    ----------
    place : str
        Directory of this dataset alone.
    fingerprint : Fingerprint
        All that decides its content: rows, encoder, bins.
    """

    place: str
    fingerprint: Fingerprint

    def dataset(
        self, params: dict[str, Any], names: list[str], n_rows: int, fill: Callable[[], lgb.Dataset]
    ) -> tuple[lgb.Dataset, str]:
        """Return the dataset, from disk where it is sound, and a word on what was done.

        Parameters
        ----------
        params : dict
            Dataset parameters, as the bins were made with.
        names : list of str
            Feature names.
        n_rows : int
            Rows it must have.
        fill : callable
            Makes the dataset anew.

        Returns
        -------
        lightgbm.Dataset, str
            The word is "reloaded", "filled", or "refilled: ..." with what was wrong, and tells when the
            dataset could not be kept.
        """
        wrong = self._fault()
        if wrong == "":
            try:
                return self._load(params, names, n_rows), "reloaded"
            except (lgb.basic.LightGBMError, ValueError) as error:
                wrong = f"LightGBM cannot read it ({error})"
        found = fill()
        word = "filled" if wrong is None else f"refilled: {self.place}: {wrong}"
        unkept = self._keep(found)
        return found, f"{word}; not kept: {unkept}" if unkept else word

    def _fault(self) -> str | None:
        """Return what is wrong with what lies on disk, "" for nothing, None when nothing is there."""
        try:
            document = json.loads((Path(self.place) / DOCUMENT).read_text())
            stamp = (document["format"], document["lightgbm"])
            made_from, digest = document["fingerprint"], document["sha256"]
        except FileNotFoundError:
            return None
        except (OSError, *SHAPELESS) as error:
            return f"{DOCUMENT} cannot be read ({error!r})"
        if stamp != (FORMAT, metadata.version("lightgbm")):
            return f"it was written by LightGBM {stamp[1]} in format {stamp[0]}"
        if differing := self.fingerprint.difference(made_from):
            return f"it is of other rows, columns or bins ({differing})"
        try:
            found = sha256_of(Path(self.place) / DATASET)
        except OSError as error:
            return f"{DATASET} cannot be read ({error})"
        return "" if found == digest else f"the checksum of {DATASET} differs"

    def _load(self, params: dict[str, Any], names: list[str], n_rows: int) -> lgb.Dataset:
        dataset = read_binned(str(Path(self.place) / DATASET), params)
        if dataset.num_data() != n_rows or dataset.get_feature_name() != names:
            raise ValueError(f"it holds {dataset.num_data():,} rows of {dataset.num_feature()} features")
        return dataset

    def _keep(self, dataset: lgb.Dataset) -> str:
        """Write the dataset; return why that was not possible, or an empty string."""
        try:
            with replacing_directory(self.place, (DATASET, DOCUMENT)) as new:
                dataset.save_binary(new / DATASET)
                sync(new / DATASET)  # tells of a full disk, as LightGBM does not
                document = {
                    "format": FORMAT,
                    "lightgbm": metadata.version("lightgbm"),
                    "fingerprint": self.fingerprint.parts,
                    "sha256": sha256_of(new / DATASET),
                }
                (new / DOCUMENT).write_text(json.dumps(document))
        except (OSError, lgb.basic.LightGBMError) as error:
            return str(error)
        return ""
