"""Cascades, curves, thresholds; and searches, shares of a dataset and binned rows that are gone on with."""

import json
import shutil
from contextlib import ExitStack
from dataclasses import replace
from unittest import mock

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import data_gen
from data_gen.errors import GenerationError
from data_gen.storage import read_truth, write_truth
from scalable import ParquetSource, tune
from scalable.boosting import LGBMClassifier
from scalable.boosting.estimates import PROCESS_BYTES
from scalable.boosting.native.disk import pieces
from scalable.boosting.native.native_trainer import NativeTrainer
from scalable.boosting.train import train
from scalable.boosting.workers import driver
from scalable.errors import ScalableError
from scalable.evaluate import Calibrator, Conformal
from scalable.inference import compile_model
from scalable.inference.cascade import DOCUMENT, Cascade, load_cascade
from scalable.inference.forest.file import KIND as FOREST
from scalable.inference.linear_row import CompiledLinear
from scalable.storage.arrays import read_arrays, write_arrays
from tests.fuzz.mutations import changed_arrays, changed_bytes
from tests.fuzz.outcomes import ACCEPTED, REFUSED
from tests.fuzz.subjects.living import Changed, forged

N = 400
SEARCH = {
    "space": "num_leaves=4|8,min_child_samples=logint:2:50",
    "n_trials": 3,
    "budget": 4,
    "engine": "lightgbm",
}
DISK = {"num_iterations": 2, "num_leaves": 5, "max_bin": 15, "boosting": "full", "num_threads": 1}


def corpus(directory):
    """Write one of everything."""
    rng = np.random.default_rng(0)
    x = rng.random((N, 3))
    y = (x[:, 0] > rng.random(N)).astype(np.int64)
    rows = pa.table(
        {**{name: x[:, k] for k, name in enumerate("abc")}, "g": rng.choice(["u", "v"], N), "y": y}
    )
    pq.write_table(rows, directory / "rows.parquet", row_group_size=100)
    booster = lgb.train(
        {"objective": "binary", "num_leaves": 7, "verbosity": -1, "num_threads": 1}, lgb.Dataset(x, y), 6
    )
    first, rest = (compile_model(booster.model_to_string(2 if k == 0 else 4, 2 * k)) for k in (0, 1))
    Cascade(first, rest, 0.3).save(directory / "trees")
    linear = CompiledLinear(np.ones((1, 3)), np.zeros(1), "logistic")
    Cascade(linear, compile_model(booster), 0.3).save(directory / "linear")
    source = source_of(directory)
    model = LGBMClassifier(n_estimators=3, num_leaves=5).fit(source)
    model.save(directory / "model")
    for method in ("platt", "isotonic", "temperature"):
        (directory / method).mkdir()
        Calibrator.fit(model, source, method).save(directory / method / "curve.json")
    for by in (None, "g"):
        place = directory / f"sets {by}"
        place.mkdir()
        Conformal.calibrate(model, source, by=by).save(place / "sets.json")
    (directory / "search").mkdir()
    search(source, directory / "search" / "trials.json")
    for i in range(2):
        data_gen.generate(
            "fraud", rows=3_000, out=directory / f"share {i}", seed=1, workers=1, shards_of=(i, 2),
            rows_per_file=1_500,
        )  # fmt: skip
        shutil.copytree(directory / f"share {i}", directory / "shares", dirs_exist_ok=True)
    many = pa.table({name: rng.random(2_000) for name in "abc"} | {"y": rng.integers(0, 2, 2_000)})
    pq.write_table(many, directory / "many.parquet")
    on_disk(source_of(directory, "many.parquet"), directory / "binned")


def source_of(directory, name="rows.parquet"):
    return ParquetSource(directory / name, target="y", features=["a", "b", "c"])


def search(source, path, **more):
    return tune(
        LGBMClassifier, source, valid=source, checkpoint=path, refit=False, n_jobs=1, **SEARCH, **more
    )


def on_disk(source, cache):
    """Return the text of trees that were grown from rows on disk, in pieces of 128."""
    with ExitStack() as stack:
        for module in ("pieces", "plan"):
            name = f"scalable.boosting.native.disk.{module}.PIECE_ROWS"
            stack.enter_context(mock.patch(name, 128))
        name = "scalable.boosting.workers.placement.spare_memory"
        stack.enter_context(mock.patch(name, return_value=PROCESS_BYTES + 60_000))  # the rows need 88,000
        found = train(DISK, source, classify=True, cache=str(cache))
    return found.booster.model_to_string()


class Cascades(Changed):
    """Two models of one answer: the document, or a forest of it under a right checksum."""

    def __init__(self, directory):
        super().__init__(directory)
        self.X = np.random.default_rng(2).random((50, 3)) * 2

    def mutate(self, rng, path):
        self.place = ["trees", "linear"][int(rng.integers(0, 2))]
        super().mutate(rng, path)

    def change(self, rng, path):
        files = sorted(path.iterdir())
        file = files[int(rng.integers(0, len(files)))]
        self.sound = (
            file.name == DOCUMENT
        )  # else one forest's programs for rows and blocks may be of other trees
        if self.sound:
            file.write_bytes(forged(rng, file.read_bytes()))
        elif rng.random() < 0.3:
            file.write_bytes(changed_bytes(rng, file.read_bytes()))
        else:
            stored = read_arrays(file, FOREST)
            write_arrays(file, FOREST, changed_arrays(rng, stored.arrays), stored.meta)

    def use(self, path):
        model = load_cascade(path)
        found = model.predict(self.X)
        one = np.array([model.predict_one(x) for x in self.X])
        assert not self.sound or np.allclose(found, one, rtol=1e-9, atol=1e-300, equal_nan=True)
        assert not ((found < 0) | (found > 1)).any()


class Curves(Changed):
    """Curves that correct probabilities."""

    def mutate(self, rng, path):
        self.place = ["platt", "isotonic", "temperature"][int(rng.integers(0, 3))]
        super().mutate(rng, path)

    def change(self, rng, path):
        file = path / "curve.json"
        file.write_bytes(forged(rng, file.read_bytes()))

    def use(self, path):
        found = Calibrator.load(path / "curve.json").apply(np.linspace(0, 1, 50))
        assert ((found >= 0) & (found <= 1)).all()


class Thresholds(Changed):
    """Thresholds of sets of classes, with and without groups."""

    def __init__(self, directory):
        super().__init__(directory)
        self.model = LGBMClassifier.load(directory / "model")
        self.X = pq.read_table(directory / "rows.parquet")

    def mutate(self, rng, path):
        self.place = ["sets None", "sets g"][int(rng.integers(0, 2))]
        super().mutate(rng, path)

    def change(self, rng, path):
        file = path / "sets.json"
        file.write_bytes(forged(rng, file.read_bytes()))

    def use(self, path):
        found = Conformal.load(path / "sets.json").predict(self.model, self.X)
        assert found.shape == (N, 2)
        assert found.dtype == bool


class Search(Changed):
    """A search that is gone on with."""

    place = "search"

    def __init__(self, directory):
        super().__init__(directory)
        self.source = source_of(directory)

    def change(self, rng, path):
        file = path / "trials.json"
        file.write_bytes(forged(rng, file.read_bytes()))

    def use(self, path):
        found = search(self.source, path / "trials.json", resume=True)
        assert len(found.trials) == SEARCH["n_trials"]
        assert json.dumps(found.best)


class Shares(Changed):
    """Shares of a dataset that are joined."""

    place = "shares"

    def change(self, rng, path):
        files = sorted(each for each in path.iterdir() if each.suffix != ".parquet")
        file = files[int(rng.integers(0, len(files)))]
        if file.suffix == ".json":
            file.write_bytes(forged(rng, file.read_bytes()))
        elif rng.random() < 0.3:
            file.write_bytes(changed_bytes(rng, file.read_bytes()))
        else:
            write_truth(file, changed_arrays(rng, read_truth(file)))

    def check(self, path, reached):
        try:
            found = data_gen.combine(path)
        except GenerationError:
            return REFUSED
        assert found.rows == 3_000
        assert found.to_json()
        return ACCEPTED


class BinnedRows(Changed):
    """Binned rows on disk under right checksums: bins that no feature has would be written to beyond their sums."""

    place = "binned"

    def __init__(self, directory):
        super().__init__(directory)
        with mock.patch.object(driver, "train_worker", wraps=driver.train_worker) as worker:
            on_disk(source_of(directory, "many.parquet"), directory / "binned")
        self.job = worker.call_args.args[0]
        self.text, _ = self.grown(directory / "binned")

    def grown(self, place):
        """Return the trees of the rows in a directory, and whether these were not believed and binned anew."""
        with mock.patch.object(pieces, "PIECE_ROWS", 128):
            trainer = NativeTrainer(replace(self.job, disk=str(place)), None, lambda n: None)
            for k in range(DISK["num_iterations"]):
                trainer.step(k, 1.0)
            trainer.close()
        return trainer.text(), trainer.notes["cache"]["rows"].startswith("refilled")

    def change(self, rng, path):
        files = sorted(path.rglob("*.arrays"))
        file = files[int(rng.integers(0, len(files)))]
        self.sealed = rng.random() < 0.7
        if not self.sealed:
            file.write_bytes(changed_bytes(rng, file.read_bytes()))
            return
        stored = read_arrays(file, pieces.KIND)
        write_arrays(file, pieces.KIND, changed_arrays(rng, stored.arrays), stored.meta)

    def check(self, path, reached):
        try:
            text, refilled = self.grown(path)
        except ScalableError:
            return REFUSED
        assert text == self.text or (self.sealed and not refilled), "trees of rows that are not there"
        return REFUSED if refilled else ACCEPTED
