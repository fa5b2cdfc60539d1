"""Files under checksums, changed as they are and under right ones: models, forests, caches, checkpoints."""

import hashlib
import io
import json
import os
import shutil
from dataclasses import replace

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scalable import ParquetSource
from scalable.boosting.training import checkpoint as boosting_checkpoint
from scalable.data import encoded_cache
from scalable.data.encoded_cache import CachedReader, cache_directory
from scalable.data.fingerprint import Fingerprint
from scalable.errors import DataError, ScalableError
from scalable.execution.reader import BlockReader
from scalable.inference import compile_model, load_compiled, load_model
from scalable.inference.forest.file import KIND as FOREST
from scalable.linear import LogisticRegression
from scalable.linear.solvers.gram import add_gradient
from scalable.models.checkpoint import Checkpoint
from scalable.models.store import unpacked
from scalable.neural import MLPClassifier
from scalable.storage.arrays import read_arrays, write_arrays
from tests.fuzz.mutations import changed_arrays, changed_bytes, changed_json
from tests.fuzz.outcomes import ACCEPTED, REFUSED

N = 600


def rows(directory):
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            "x": rng.random(N),
            "f": rng.random(N).astype(np.float32),
            "t": np.array(["a", "b", "c"])[rng.integers(0, 3, N)],
            "id": [f"k{k}" for k in rng.integers(0, 200, N)],
            "when": pa.array(rng.integers(0, 30 * 86_400, N)).cast(pa.timestamp("s")),
            "code": rng.integers(0, 4, N),
            "gap": pa.array(rng.random(N), mask=rng.random(N) < 0.2),
            "still": np.ones(N),
            "y": rng.integers(0, 2, N),
        }
    )
    pq.write_table(table, directory / "rows.parquet")
    return ParquetSource(directory / "rows.parquet", target="y")


def logistic(**options):
    return LogisticRegression(**{"max_iter": 3, "categorical": ["code"], "n_bins": 256, **options})


# Trainings that are broken off and gone on with, each of another solver.
UNFINISHED = {
    "newton": logistic,
    "descent": lambda **options: logistic(solver="sgd", **options),
    "perceptron": lambda **options: MLPClassifier(
        (4,), max_iter=2, n_bins=64, early_stopping=True, **options
    ),
}


def fitted(source):
    return logistic().fit(source)


def corpus(directory):
    """Write the rows, and one of everything that is made of them."""
    source = rows(directory)
    model = fitted(source)
    model.save(directory / "linear")
    rng = np.random.default_rng(1)
    X = rng.random((N, 4))
    X[:, 3] = rng.integers(0, 9, N)
    booster = lgb.train(
        {"objective": "binary", "num_leaves": 9, "verbosity": -1, "num_threads": 1},
        lgb.Dataset(X, X[:, 0] > rng.random(N), categorical_feature=[3]),
        8,
    )
    compile_model(booster).save(directory / "a.forest")
    saved = boosting_checkpoint.Saved(8, booster.model_to_string(), [[("valid", "auc", 0.5, True)]])
    boosting_checkpoint.write(str(directory / "boosting"), saved, Fingerprint({"rows": "a"}))
    remove, Checkpoint.remove = Checkpoint.remove, lambda self: None
    try:
        for name, learner in UNFINISHED.items():
            learner(checkpoint=directory / name).fit(source)
    finally:
        Checkpoint.remove = remove
    reader(source, model.model_.encoder, directory)


def reader(source, encoder, directory):
    kept = CachedReader(
        BlockReader(source, encoder), cache_directory(directory / "cache", source, encoder, 2**17)
    )
    for shard in source.shards:
        for block in kept.blocks(shard):
            assert block.n_rows
    return kept


class Directory:
    """Changes a model directory: any byte, or document, arrays and texts under right checksums."""

    suffix = ""
    place = "linear"

    def __init__(self, directory):
        self.directory = directory
        self.source = ParquetSource(directory / "rows.parquet", target="y")
        self.raw = next(self.source.raw_blocks(self.source.shards[0]))
        self.row = {name: array[0].as_py() for name, array in self.raw.arrays.items()}

    def mutate(self, rng, path):
        shutil.copytree(self.directory / self.place, path)
        inner = path if (path / "model.json").exists() else next(path.iterdir())
        self.unsealed = False
        if rng.random() < 0.25:
            part = sorted(inner.iterdir())[int(rng.integers(0, len(list(inner.iterdir()))))]
            before = part.read_bytes()
            after = changed_bytes(rng, before)
            part.write_bytes(after)
            self.unsealed = after.strip() != before.strip()
            return
        document = json.loads((inner / "model.json").read_text())
        names = [name for name in document["parts"] if rng.random() < 0.5]
        if not names or rng.random() < 0.5:
            document["meta"] = changed_json(rng, document["meta"])
        for name in names:
            content = (inner / name).read_bytes()
            if name.endswith(".npz"):
                buffer = io.BytesIO()
                np.savez(buffer, **changed_arrays(rng, unpacked(content)))
                content = buffer.getvalue()
            else:
                content = changed_bytes(rng, content)
            (inner / name).write_bytes(content)
            document["parts"][name] = hashlib.sha256(content).hexdigest()
        body = json.dumps(document).encode()
        (inner / "model.json").write_bytes(body)
        (inner / "model.sha256").write_text(hashlib.sha256(body).hexdigest())

    def check(self, path, reached):
        try:
            self.use(path)
        except (ScalableError, lgb.basic.LightGBMError):
            return REFUSED
        assert not self.unsealed, "bytes that were altered after they were sealed are believed"
        return ACCEPTED

    def use(self, path):
        model = load_model(path)
        model.predict_block(self.raw)
        model.predict_one(self.row)
        estimator = LogisticRegression.load(path)
        estimator.predict(self.source)
        estimator.describe_columns()


class LinearCheckpoint(Directory):
    """A checkpoint of a training, resumed."""

    def mutate(self, rng, path):
        self.place = [*UNFINISHED][int(rng.integers(0, len(UNFINISHED)))]
        super().mutate(rng, path)

    def use(self, path):
        UNFINISHED[self.place](checkpoint=path, resume=True).fit(self.source)


class BoostingCheckpoint(Directory):
    """The checkpoints of a boosting run, and the trees of the newest."""

    place = "boosting"

    def use(self, path):
        saved = boosting_checkpoint.newest(str(path), Fingerprint({"rows": "a"}))
        if not saved.text:  # not believed: an older one would be taken
            raise DataError("damaged")
        compile_model(saved.text).predict(np.zeros((3, 4)))


class ArraysFile:
    """Changes a container of arrays: any byte, or arrays and what is said of them under a right checksum."""

    kind = FOREST
    suffix = ".forest"

    def __init__(self, directory):
        self.directory = directory
        self.seed = self.find(directory)
        self.content = self.seed.read_bytes()
        self.X = np.random.default_rng(2).random((50, 4)) * 9

    def find(self, directory):
        return directory / "a.forest"

    def mutate(self, rng, path):
        self.unsealed = False
        if rng.random() < 0.25:
            changed = changed_bytes(rng, self.content)
            path.write_bytes(changed)
            self.unsealed = changed != self.content
            return
        stored = read_arrays(self.seed, self.kind)
        part, arrays, meta = rng.random(), stored.arrays, stored.meta
        if part < 0.7:
            arrays = changed_arrays(rng, arrays)
        if part > 0.5:
            meta = changed_json(rng, meta)
        write_arrays(path, self.kind, arrays, meta)

    def check(self, path, reached):
        try:
            self.use(path)
        except ScalableError:
            return REFUSED
        assert not self.unsealed, "bytes that were altered after they were sealed are believed"
        return ACCEPTED

    def use(self, path):
        found = load_compiled(path)
        found.predict(self.X)
        found.predict_one(self.X[0])


class DecodedError(Exception):
    """The rows were decoded anew, so what lay in the cache was not believed."""


class EpochCache(ArraysFile):
    """Encoded rows: those of the file, where it is believed, else the rows are decoded anew."""

    kind = encoded_cache.KIND
    suffix = ".rows"

    def find(self, directory):
        self.source = ParquetSource(directory / "rows.parquet", target="y")
        self.model = fitted(self.source)
        self.kept = reader(self.source, self.model.model_.encoder, directory)
        (shard,) = self.source.shards
        self.ids = [block.ids.tolist() for block in self.kept.blocks(shard)]
        return sorted(self.kept.directory.path.glob("*.rows"))[0]

    def check(self, path, reached):
        shard = self.source.shards[0]
        os.replace(path, self.seed)  # a file of its own: what was proven of another says nothing of it
        try:
            blocks = list(replace(self.kept, reader=Refusing(self.kept.reader)).blocks(shard))
        except DecodedError:
            found = list(self.kept.blocks(shard))
            assert [block.ids.tolist() for block in found] == self.ids
            return REFUSED
        finally:
            path.write_bytes(self.content)
            os.replace(path, self.seed)
        assert not self.unsealed, "bytes that were altered after they were written are believed"
        encoder = self.model.model_.encoder
        for block in blocks:
            assert block.ids.size == 0 or (block.ids.min() >= 0 and block.ids.max() < encoder.n_indices)
            assert block.columns.shape == (encoder.n_columns, block.n_rows)
        assert sum(block.n_rows for block in blocks) == shard.n_rows
        self.learn(blocks)
        return ACCEPTED

    def learn(self, blocks):
        """Do what kernels do with rows: read and write the places that ids name."""
        size = self.model.model_.encoder.n_columns + 1 + self.model.model_.encoder.n_indices
        for block in blocks:
            self.model.model_.scores(block)
            add_gradient(block.columns, block.ids, np.ones(block.n_rows), np.zeros(size))


class Refusing:
    """A reader that says when it is asked to decode."""

    def __init__(self, reader):
        self.source, self.encoder = reader.source, reader.encoder

    def blocks(self, shard):
        raise DecodedError
