"""The bins of all features, read from the reference that LightGBM made of the survey's sample."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from scalable.boosting.dataset.bin_search import BinSearch
from scalable.boosting.dataset.binary_layout import Layout, Mapper
from scalable.boosting.dataset.lightgbm_api import StreamedDataset
from scalable.boosting.objectives import RANKING
from scalable.kernels.histogram.gain import FEATURE


@dataclass(frozen=True, slots=True)
class Bins:
    """How values become bins.

    Attributes
    ----------
    columns : tuple of int
        Of each feature that trees can use, its column of the encoder's matrix; LightGBM left out the others.
    mappers : tuple of Mapper
        Their bins.
    features : record array (n_features,) of `FEATURE`
        The same for the kernels.
    empty_text : str
        LightGBM's text of a model of these features without trees: its header and its notes.
    """

    columns: tuple[int, ...]
    mappers: tuple[Mapper, ...]
    features: NDArray[Any]
    empty_text: str

    @classmethod
    def read(
        cls,
        reference: bytes,
        dataset_params: Mapping[str, Any],
        params: Mapping[str, Any],
        names: Sequence[str],
    ) -> Bins:
        """Take the bins from a serialised reference.

        Parameters
        ----------
        reference : bytes
            From `scalable.boosting.prepare.make_reference`.
        dataset_params, params : mapping
            LightGBM's parameters, of the dataset and of the booster.
        names : sequence of str
            Of the matrix columns.

        Raises
        ------
        LayoutError
            When LightGBM's file is not laid out as known here.
        """
        label = _few_labels(params)
        few = StreamedDataset(reference, len(label), dataset_params, names)
        few.push(np.zeros((len(label), len(names))), label)
        dataset = few.finish()
        if params.get("objective") in RANKING:
            dataset.set_field("group", np.array([len(label)], np.int32))
        with tempfile.TemporaryDirectory(prefix="scalable-bins-") as place:
            path = Path(place) / "few.bin"
            dataset.save_binary(path)
            data = path.read_bytes()
        text = lgb.Booster({**params, "verbosity": -1, "metric": "None"}, dataset).model_to_string()
        found = sorted(
            (column, mapper)
            for group in Layout.read(data, len(label), len(names)).groups
            for store in group.stores
            for column, mapper, _ in store.features
        )
        mappers = tuple(mapper for _, mapper in found)
        return cls(tuple(column for column, _ in found), mappers, _records(mappers, params, found), text)

    def searches(self) -> list[BinSearch]:
        """Return what finds the bins of each feature's values: bin b is written as b."""
        return [BinSearch(replace(mapper, usual=0), 1) for mapper in self.mappers]

    @property
    def n_bins(self) -> int:
        """Bins of all features together."""
        return int(self.features["n_bins"].sum())

    @property
    def has_categories(self) -> bool:
        """Whether any feature holds categories."""
        return bool(self.features["categorical"].any())


def _few_labels(params: Mapping[str, Any]) -> NDArray[np.float32]:
    """Return labels that every objective accepts: all classes of a classifier, positive numbers otherwise."""
    n = max(2, int(params.get("num_class", 1)))
    if params.get("objective") in ("binary", "multiclass", "multiclassova"):
        return np.arange(n, dtype=np.float32)
    return np.ones(n, np.float32)


def _records(
    mappers: Sequence[Mapper], params: Mapping[str, Any], found: Sequence[tuple[int, Mapper]]
) -> NDArray[Any]:
    records = np.zeros(len(mappers), FEATURE)
    records["n_bins"] = [mapper.n_bins for mapper in mappers]
    records["first"] = np.cumsum(records["n_bins"]) - records["n_bins"]
    records["categorical"] = [mapper.bounds is None for mapper in mappers]
    records["missing"] = [mapper.bounds is not None and mapper.missing_nan for mapper in mappers]
    signs = numbers_of(params.get("monotone_constraints"))
    if signs:
        records["monotone"] = [signs[column] if column < len(signs) else 0 for column, _ in found]
    return records


def numbers_of(value: Any) -> list[int]:
    """Return a parameter that LightGBM takes as a list or as text with commas."""
    if value is None or isinstance(value, (str, bytes)):
        return [int(part) for part in str(value or "").split(",") if part.strip()]
    return [int(part) for part in value]
