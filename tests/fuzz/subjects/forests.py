"""Forests as other libraries write them."""

import lightgbm as lgb
import numpy as np

from scalable.errors import ScalableError
from scalable.inference import compile_model
from tests.fuzz.mutations import VALUES, changed_bytes
from tests.fuzz.outcomes import ACCEPTED, REFUSED

N = 400


def rows():
    X = np.random.default_rng(0).random((N, 4))
    X[:, 3] = np.random.default_rng(1).integers(0, 9, N)
    return X


def corpus(directory):
    """Write LightGBM's text of a forest with categories, and of one with linear leaves."""
    X = rows()
    for name, more in (("plain", {}), ("linear", {"linear_tree": True})):
        parameters = {"objective": "binary", "num_leaves": 7, "verbosity": -1, "num_threads": 1, **more}
        categories = "auto" if more else [3]
        data = lgb.Dataset(X, X[:, 0] > 0.4, categorical_feature=categories, params=parameters)
        lgb.train(parameters, data, 5).save_model(directory / f"{name}.txt")


class LightgbmText:
    """The text of a forest: bytes of it, or numbers of a line for others."""

    suffix = ".txt"

    def __init__(self, directory):
        self.texts = [path.read_text() for path in sorted(directory.glob("*.txt"))]
        self.X = rows()[:50]

    def mutate(self, rng, path):
        text = self.texts[int(rng.integers(0, len(self.texts)))]
        if rng.random() < 0.4:
            path.write_bytes(changed_bytes(rng, text.encode()))
            return
        lines = text.splitlines()
        places = [k for k, line in enumerate(lines) if "=" in line]
        for _ in range(int(rng.integers(1, 4))):
            at = places[int(rng.integers(0, len(places)))]
            name, _, values = lines[at].partition("=")
            words = values.split(" ")
            k = int(rng.integers(0, len(words)))
            words[k] = str(VALUES[int(rng.integers(0, len(VALUES)))])
            lines[at] = f"{name}={' '.join(words if rng.random() < 0.7 else words[:k])}"
        path.write_text("\n".join(lines) + "\n")

    def check(self, path, reached):
        try:
            found = compile_model(path)
            found.predict(self.X)
            found.predict(self.X, pred_leaf=True)
            found.predict_one(self.X[0])
        except ScalableError:
            return REFUSED
        return ACCEPTED
