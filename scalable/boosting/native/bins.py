"""The bins of all features, read from the reference that LightGBM made of the survey's sample."""

from __future__ import annotations

import re
import tempfile
import threading
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

# A booster that is made while another thread pushes rows ends the process now and then. Of what follows only: fits by
# LightGBM's engine, whose pushers run side by side, are not held off.
_LIGHTGBM = threading.Lock()

# Columns of mostly one value are kept as lists of the others (`scalable.kernels.histogram.lists`): where the others are
# at most this share, and where lists of two bytes an entry save twice what the places of their ends take.
MOST_LISTED, LEAST_SAVED = 0.5, 16.0


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
    usual : int64 array (n_features,)
        Of features whose other bins rows keep as lists the bin that is left out; -1 of those kept by row. It changes no
        bit of a model.
    """

    columns: tuple[int, ...]
    mappers: tuple[Mapper, ...]
    features: NDArray[Any]
    empty_text: str
    usual: NDArray[np.int64]

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
        with _LIGHTGBM:
            few = StreamedDataset(reference, len(label), dataset_params, names)
            few.push(np.zeros((len(label), len(names))), label)
            dataset = few.finish()
            if params.get("objective") in RANKING:
                dataset.set_field("group", np.array([len(label)], np.int32))
            with tempfile.TemporaryDirectory(prefix="scalable-bins-") as place:
                path = Path(place) / "few.bin"
                dataset.save_binary(path)
                data = path.read_bytes()
            known = {
                name: value for name, value in params.items() if name != "leaves_per_round"
            } | _WHOLE_BAGS
            text = lgb.Booster({**known, "verbosity": -1, "metric": "None"}, dataset).model_to_string()
            for name in _WHOLE_BAGS.keys() & params.keys():
                text = re.sub(
                    rf"^\[{name}: .*]$", f"[{name}: {float(params[name]):g}]", text, flags=re.MULTILINE
                )
        found = sorted(
            (column, mapper)
            for group in Layout.read(data, len(label), len(names)).groups
            for store in group.stores
            for column, mapper, _ in store.features
        )
        mappers = tuple(mapper for _, mapper in found)
        columns, records = tuple(column for column, _ in found), _records(mappers, params, found)
        return cls(columns, mappers, records, text, _usual(mappers))

    def by_row(self) -> Bins:
        """Return the same bins, no feature of which is listed."""
        return replace(self, usual=np.full(len(self.mappers), -1))

    @property
    def listed(self) -> NDArray[np.bool_]:
        """Which features are listed, shape (n_features,)."""
        return self.usual >= 0

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


# Of few rows a bag of any lower share is empty, which LightGBM takes for damage.
_WHOLE_BAGS = {"bagging_fraction": 0.5, "pos_bagging_fraction": 1.0, "neg_bagging_fraction": 1.0}


def _few_labels(params: Mapping[str, Any]) -> NDArray[np.float32]:
    """Return labels that every objective accepts: all classes of a classifier, positive numbers otherwise."""
    n = max(2, int(params.get("num_class", 1)))
    if params.get("objective") in ("binary", "multiclass", "multiclassova"):
        return np.arange(n, dtype=np.float32)
    return np.ones(n, np.float32)


def _usual(mappers: Sequence[Mapper]) -> NDArray[np.int64]:
    """Return the usual bins of features that are worth listing, by the share of other values in the sample."""
    usual = np.array([mapper.usual for mapper in mappers], np.int64)
    others = 1.0 - np.array([mapper.sparse_rate for mapper in mappers])
    # Where no bin holds most values, LightGBM calls that of zero the usual one; of two it is told which is larger.
    other = (np.array([mapper.n_bins for mapper in mappers]) == 2) & (others > 0.5)
    usual, others = np.where(other, 1 - usual, usual), np.where(other, 1.0 - others, others)
    listed = others <= MOST_LISTED
    return np.where(listed & bool((1.0 - 2.0 * others[listed]).sum() >= LEAST_SAVED), usual, -1)


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
