"""Models of arrays and forests of other learners, and the journal of a generation that is taken up again."""

import shutil
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.exceptions import ConvergenceWarning

import data_gen
from data_gen.errors import GenerationError
from data_gen.writing.journal import Journal as Generation
from scalable import ParquetSource
from scalable.bayes import BayesianLogisticRegression, BayesianRidge, CategoricalNB, GaussianNB
from scalable.boosting import LGBMClassifier
from scalable.decomposition import PCA, TruncatedSVD
from scalable.evaluate import Calibrator
from scalable.inference import load_model
from scalable.kernel_approximation import KernelClassifier, KernelFeatures
from scalable.mixture import GaussianMixture, KMeans
from scalable.models.kinds import compiled_of
from scalable.models.store import read_model, save_model
from scalable.neural import MLPClassifier, MLPRegressor
from scalable.scoring.calibrated import save_calibrated
from scalable.scoring.explain_files import explain_files
from tests.fuzz.outcomes import ACCEPTED, REFUSED
from tests.fuzz.subjects.living import Changed, forged
from tests.fuzz.subjects.sealed import Directory

N = 400
LEARNERS = {
    "pca": PCA(2), "kmeans": KMeans(3, random_state=0), "mixture": GaussianMixture(2, random_state=0),
    "naive": GaussianNB(), "ridge": BayesianRidge(), "kernel": KernelFeatures(n_components=8),
    "forest": LGBMClassifier(n_estimators=3, num_leaves=5), "svd": TruncatedSVD(2), "categories": CategoricalNB(),
    "posterior": BayesianLogisticRegression(), "machine": KernelClassifier(n_components=8, max_iter=3),
    "perceptron": MLPClassifier((4,), max_iter=2), "perceptron of numbers": MLPRegressor((3, 3), max_iter=2),
}  # fmt: skip

MIXED = ("forest", "svd", "categories", "perceptron")  # learn from text and identifiers too
FRONTS = {  # of the forest, by the name of the cascade
    "trees in front": {"margin": 0.2, "trees": 1},
    "line in front": {"margin": 0.5, "coef": None, "intercept": 0.1},
}


def corpus(directory):
    """Write a model of each learner, and explained rows."""
    rng = np.random.default_rng(0)
    x = rng.random((N, 3))
    columns = {name: x[:, k] for k, name in enumerate("abc")}
    columns["y"] = (x[:, 0] > rng.random(N)).astype(np.int64)
    pq.write_table(pa.table(columns), directory / "rows.parquet")
    columns |= {name: rng.choice([*"uvw"], N) for name in "st"}  # a pair of them
    columns |= {"k_id": rng.integers(0, 300, N), "n": rng.integers(0, 3, N)}
    pq.write_table(pa.table(columns), directory / "mixed.parquet")
    source = ParquetSource(directory / "rows.parquet", target="y")
    for name, learner in LEARNERS.items():
        rows = source if name not in MIXED else ParquetSource(directory / "mixed.parquet", target="y")
        rows = rows.without_target() if name in ("pca", "kmeans", "mixture", "kernel", "svd") else rows
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # few passes on purpose
            learner.fit(rows).save(directory / name)
    composed(directory)
    LEARNERS["forest"].fit(source).save(directory / "explained forest")
    explain_files(load_model(directory / "explained forest"), source, directory / "explained")


def composed(directory):
    """Write the models that are made of a saved forest: two cascades, and one with a curve."""
    stored = read_model(directory / "forest")
    forest = compiled_of(stored)
    for name, front in FRONTS.items():
        line = {"coef": [0.5] * forest.n_features} if "coef" in front else {}
        meta = {"forest": stored.meta, "front": front | line}
        save_model(directory / name, "cascade", meta, stored.arrays, stored.texts)
    curve = Calibrator.of_predictions(np.arange(40) % 2, np.linspace(0.1, 0.9, 40), "isotonic")
    save_calibrated(directory / "calibrated", directory / "forest", curve)


def interrupt(place):
    """Write a dataset, as it is when its journal is complete and its manifest not there yet."""
    discard, Generation.discard = Generation.discard, Generation.close
    try:
        data_gen.generate("mixture", rows=2_000, out=place, seed=1, workers=1, rows_per_file=1_000)
    finally:
        Generation.discard = discard
    (place / "manifest.json").unlink()


class Learner(Directory):
    """A saved model of one of the learners."""

    def __init__(self, directory):
        super().__init__(directory)
        self.names = [*sorted(LEARNERS), *FRONTS, "calibrated"]
        self.sources = self.source, ParquetSource(directory / "mixed.parquet", target="y")

    def mutate(self, rng, path):
        self.place = self.names[int(rng.integers(0, len(self.names)))]
        super().mutate(rng, path)

    def use(self, path):
        source = self.sources[self.place in MIXED or self.place not in LEARNERS]
        raw = next(source.raw_blocks(source.shards[0]))
        model = load_model(path)
        model.predict_block(raw)
        model.predict_one({name: array[0].as_py() for name, array in raw.arrays.items()})
        if self.place not in LEARNERS:
            return
        kind = type(LEARNERS[self.place])
        found = kind.load(path)
        getattr(found, "predict", getattr(found, "transform", None))(source.without_target())


class Explained(Changed):
    """Summaries of explained rows, gone on with."""

    place = "explained"

    def __init__(self, directory):
        super().__init__(directory)
        self.source = ParquetSource(directory / "rows.parquet", target="y")
        self.predictor = load_model(directory / "explained forest")

    def change(self, rng, path):
        notes = sorted(each for each in path.rglob("*") if each.is_file() and each.suffix != ".parquet")
        note = notes[int(rng.integers(0, len(notes)))]
        note.write_bytes(forged(rng, note.read_bytes()))

    def use(self, path):
        explain_files(self.predictor, self.source, path, resume=True)


class Interrupted(Changed):
    """A generation that is taken up again: its bytes are those of one that was not interrupted."""

    place = "data"

    def __init__(self, directory):
        self.scratch = tempfile.TemporaryDirectory()  # kernels that check indices write other last bits
        super().__init__(Path(self.scratch.name))
        interrupt(self.directory / self.place)
        self.whole = {
            file.name: file.read_bytes() for file in (self.directory / self.place).glob("*.parquet")
        }

    def change(self, rng, path):
        notes = sorted(each for each in path.rglob(".generation/*") if each.is_file() and each.name != "lock")
        note = notes[int(rng.integers(0, len(notes)))]
        if note.suffix == ".json":
            note.write_bytes(forged(rng, note.read_bytes()))
        else:
            content = bytearray(note.read_bytes())
            content[int(rng.integers(0, len(content)))] ^= 1 << int(rng.integers(0, 8))
            note.write_bytes(content)

    def check(self, path, reached):
        try:
            data_gen.generate(
                "mixture", rows=2_000, out=path, seed=1, workers=1, rows_per_file=1_000, resume=True
            )
        except GenerationError:
            return REFUSED
        assert {file.name: file.read_bytes() for file in path.glob("*.parquet")} == self.whole
        data_gen.verify(path)
        shutil.rmtree(path / ".generation", ignore_errors=True)
        return ACCEPTED
