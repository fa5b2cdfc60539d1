"""Documents: manifests of datasets, results, and the notes beside binned datasets."""

import io
import json
import shutil

import lightgbm as lgb
import numpy as np
from rich.console import Console

import data_gen
from data_gen import manifest
from data_gen.errors import GenerationError
from scalable.boosting.dataset.binned_cache import DATASET, DOCUMENT, BinnedCache
from scalable.data.fingerprint import Fingerprint
from scalable.errors import ScalableError
from scalable.report.compare import compare
from scalable.report.document import new_results
from scalable.report.page import render
from scalable.report.results import read_results, write_results
from scalable.report.terminal import print_summary
from tests.fuzz.mutations import changed_bytes, changed_json
from tests.fuzz.outcomes import ACCEPTED, REFUSED

PARAMS = {"verbosity": -1, "num_threads": 1, "min_data_in_bin": 1}


def corpus(directory):
    """Write a dataset with its manifest, results, and a binned dataset."""
    data_gen.generate("mixture", rows=2_000, out=directory / "data", seed=1, workers=1)
    quality = [{"model": "a", "rows": 3, "auc": 0.5, "log_loss": 0.1}]
    stages = [{"name": "read", "seconds": 1.5, "rows": 10}]
    write_results(directory / "results.json", new_results("train", {"quality": quality, "stages": stages}))
    binned(directory / "binned")


def binned(place):
    """Return a small binned dataset, kept or read, and the word on it."""
    rng = np.random.default_rng(0)

    def fill():
        data = lgb.Dataset(rng.random((50, 2)), rng.random(50), feature_name=["a", "b"], params=PARAMS)
        return data.construct()

    cache = BinnedCache(str(place), Fingerprint({"rows": "a"}))
    return cache.dataset(PARAMS, ["a", "b"], 50, fill)


class Document:
    """Changes a JSON file: any byte of it, or its values."""

    name = ""
    suffix = ""

    def __init__(self, directory):
        self.directory = directory

    def mutate(self, rng, path):
        shutil.copytree(self.directory / self.name, path)
        self.change(rng, path / self.file)

    def change(self, rng, file):
        content = file.read_bytes()
        if rng.random() < 0.3:
            file.write_bytes(changed_bytes(rng, content))
        else:
            file.write_text(json.dumps(changed_json(rng, json.loads(content))))

    def check(self, path, reached):
        try:
            self.use(path)
        except (ScalableError, GenerationError):
            return REFUSED
        return ACCEPTED


class DatasetManifest(Document):
    """What `scalable describe` and `verify` read."""

    name, file = "data", manifest.NAME

    def use(self, path):
        found = manifest.read(path)
        assert found.rows >= 0
        assert found.bytes >= 0
        assert found.to_json()
        data_gen.verify(path)


class Results(Document):
    """What becomes of a results document on the terminal and on a page."""

    suffix = ".json"

    def __init__(self, directory):
        super().__init__(directory)
        self.sound = read_results(directory / "results.json")

    def mutate(self, rng, path):
        shutil.copyfile(self.directory / "results.json", path)
        self.change(rng, path)

    def use(self, path):
        results = read_results(path)
        print_summary(results, Console(file=io.StringIO(), width=100))
        assert render([results])
        compare(self.sound, results, force=True)


class Binned(Document):
    """A binned dataset: bytes of it and of its note; LightGBM reads only what its SHA-256 vouches for."""

    name, file = "binned", DOCUMENT

    def change(self, rng, file):
        if rng.random() < 0.3:
            file = file.with_name(DATASET)
            file.write_bytes(changed_bytes(rng, file.read_bytes()))
        else:
            super().change(rng, file)

    def check(self, path, reached):
        dataset, word = binned(path)
        assert dataset.num_data() == 50
        assert word.startswith(("reloaded", "refilled", "filled"))
        return ACCEPTED if word.startswith("reloaded") else REFUSED
