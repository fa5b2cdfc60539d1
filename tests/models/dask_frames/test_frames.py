import os
import pickle
import subprocess
import sys

import dask
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from scalable import from_dask
from scalable.bayes import GaussianNB
from scalable.boosting import LGBMClassifier, LGBMRegressor
from scalable.decomposition import PCA
from scalable.errors import DataError, DataWarning, UsageError
from scalable.inference import compile_model
from scalable.linear import LogisticRegression, Ridge, SGDClassifier
from scalable.mixture import KMeans
from scalable.models.dask_frames import written_rows
from scalable.neural import MLPClassifier

dd = pytest.importorskip("dask.dataframe")
N = 3000


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(N, 3))
    city = rng.choice(["Bern", "Lima", "Oslo"], N)
    y = (x[:, 0] + (city == "Oslo") + rng.normal(size=N) > 0).astype(int)
    frame = pd.DataFrame(
        {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "city": city, "y": y, "w": rng.random(N) + 0.5}
    )
    return frame.set_index(np.arange(N) * 2)


@pytest.fixture
def frame(rows):
    return dd.from_pandas(rows, npartitions=4)


def test_the_rows_are_those_of_the_frame_and_written_once(rows, frame, tmp_path):
    source = from_dask(frame, target="y", weight="w", store=tmp_path)
    assert (source.n_rows, len(source.paths), source.roles.weight) == (N, 4, "w")
    assert source.feature_names == ["a", "b", "c", "city"]
    block = next(source.raw_blocks(source.shards[0], ["a", "city"]))
    np.testing.assert_array_equal(block.arrays["a"], rows["a"].to_numpy()[: block.n_rows])
    before = [os.stat(path).st_mtime_ns for path in source.paths]
    again = from_dask(dd.from_pandas(rows, npartitions=4), target="y", weight="w", store=tmp_path)
    assert [os.stat(path).st_mtime_ns for path in again.paths] == before
    assert again.fingerprint() == source.fingerprint()
    assert from_dask(frame[frame.a > 0], store=tmp_path).paths[0] not in source.paths
    os.unlink(source.paths[1])  # what is incomplete is written anew
    assert from_dask(frame, store=tmp_path).n_rows == N


@pytest.mark.parametrize(
    "learner",
    [
        LogisticRegression(), SGDClassifier(loss="log_loss"), GaussianNB(), LGBMClassifier(n_estimators=3, n_jobs=1),
        LGBMClassifier(n_estimators=3, engine="native"),
    ],
    ids=lambda one: type(one).__name__,
)  # fmt: skip
def test_a_classifier_learns_from_a_frame_and_answers_with_one(rows, frame, learner):
    columns = ["a", "b", "c"] if isinstance(learner, GaussianNB) else ["a", "b", "c", "city"]
    with pytest.warns(
        DataWarning, match="the Dask DataFrame was written to .*, which goes with this process"
    ):
        learner.fit(frame[columns], frame["y"], frame["w"])
    answer = learner.predict(frame[columns])
    assert answer.divisions == frame.divisions
    assert (answer.name, answer.dtype) == ("predict", learner.classes_.dtype)
    computed = answer.compute(scheduler="sync")
    assert computed.index.equals(rows.index)
    np.testing.assert_array_equal(computed, learner.predict(rows[columns]))
    p = learner.predict_proba(frame[columns])
    assert list(p.columns) == [0, 1]
    assert p.dtypes.tolist() == [np.dtype("f8")] * 2
    np.testing.assert_array_equal(p.compute(scheduler="sync"), learner.predict_proba(rows[columns]))
    assert (computed == rows["y"]).mean() > 0.6


@pytest.mark.parametrize(
    "learner",
    [LogisticRegression(), GaussianNB(), MLPClassifier(max_iter=1), Ridge(), LGBMClassifier(n_estimators=2, n_jobs=1)],
    ids=lambda one: type(one).__name__,
)  # fmt: skip
@pytest.mark.parametrize("named", [False, True])
@pytest.mark.filterwarnings("ignore")
def test_a_graph_is_computed_once_and_its_target_stays_where_it_is(rows, learner, named, monkeypatch):
    monkeypatch.setattr(written_rows, "_scratch", [])  # the same frame would not be written twice
    computed = []

    def noted(part):
        computed.append(len(part))
        return part

    frame = dd.from_pandas(rows[["a", "b", "y"]], npartitions=3).map_partitions(
        noted, meta=rows[["a", "b", "y"]]
    )
    computed.clear()
    with dask.config.set(scheduler="sync"):
        clone(learner).fit(*((frame, "y") if named else (frame[["a", "b"]], frame["y"])))
    assert sum(computed) == N


def test_the_same_model_as_from_the_same_files(frame, tmp_path):
    source = from_dask(frame.drop(columns="w"), target="y", store=tmp_path)
    with pytest.warns(DataWarning, match="was written"):
        given = LGBMRegressor(n_estimators=3, n_jobs=1).fit(
            frame[["a", "b", "c", "city"]], frame["y"], valid=(frame[["a", "b", "c", "city"]], frame["y"])
        )
    trees = [
        one.booster_.model_to_string().partition("\nfeature_importances")[0].partition("Tree=0")[2]
        for one in (given, LGBMRegressor(n_estimators=3, n_jobs=1).fit(source))
    ]
    assert trees[0] == trees[1]
    assert len(given.evals_result_["valid_0"]["l2"]) == 3


def test_learners_without_a_target_transform_lazily(rows, frame):
    with pytest.warns(DataWarning, match="was written"):
        found = PCA(n_components=2).fit(frame[["a", "b", "c"]])
    answer = found.transform(frame[["a", "b", "c"]])
    assert list(answer.columns) == [0, 1]
    np.testing.assert_array_equal(answer.compute(scheduler="sync"), found.transform(rows[["a", "b", "c"]]))
    with pytest.warns(DataWarning, match="was written"):
        clusters = KMeans(n_clusters=2, random_state=0).fit(frame[["a", "b"]]).predict(frame[["a", "b"]])
    assert clusters.dtype == np.int64


def test_unknown_divisions_empty_partitions_and_missing_text(rows):
    frame = dd.from_map(
        lambda k: rows.iloc[k * 100 : 100 + k * 100].assign(city=None if k == 2 else "Oslo"), range(4)
    )
    empty = frame[frame.a > 2.2]
    assert not frame.known_divisions
    source = from_dask(frame, target="y")
    assert source.n_rows == 400
    with pytest.warns(DataWarning, match="was written"):
        model = LogisticRegression().fit(frame[["a", "city"]], frame["y"])
    answer = model.predict(empty[["a", "city"]])
    assert answer.compute(scheduler="sync").dtype == model.classes_.dtype
    assert len(answer) == len(empty)
    with pytest.raises(DataError, match="has no rows; check its filters"):
        from_dask(frame[frame.a > 99])


def test_on_workers(rows, frame, dask_client):
    with pytest.warns(DataWarning, match="was written"):
        model = Ridge(client=dask_client).fit(frame[["a", "b"]], frame["c"])
    answer = model.predict(frame[["a", "b"]])
    found = dask_client.compute(answer).result()
    np.testing.assert_array_equal(found, model.predict(rows[["a", "b"]]))


def test_compiled_models_travel_small_and_answer_partitions(rows, frame, dask_client):
    columns = ["a", "b", "c"]
    model = LGBMClassifier(n_estimators=50, n_jobs=1).fit(rows[columns], rows["y"])
    compiled = compile_model(model)
    size = len(pickle.dumps(compiled))
    assert size < 2 * len(model.booster_.model_to_string())
    answer = frame[columns].map_partitions(
        lambda part, forest: pd.Series(forest.predict(part.to_numpy()), index=part.index), dask.delayed(compiled),
        meta=pd.Series([], dtype=float),
    )  # fmt: skip
    found = dask_client.compute(answer).result()
    np.testing.assert_array_equal(found, compiled.predict(rows[columns].to_numpy()))


def test_the_graph_holds_a_model_once(frame):
    with pytest.warns(DataWarning, match="was written"):
        model = LGBMClassifier(n_estimators=200, n_jobs=1).fit(frame[["a", "b"]], frame["y"])
    many = frame[["a", "b"]].repartition(npartitions=40)
    assert (
        len(pickle.dumps(dict(model.predict(many).__dask_graph__()))) < 2 * len(pickle.dumps(model)) + 10**6
    )


def test_frames_that_cannot_be_written_are_told_in_one_line(frame):
    def mixed(values):
        return pd.Series([1, "a"] * (len(values) // 2), values.index, dtype=object)

    def sets(values):
        return pd.Series([{1}] * len(values), values.index, dtype=object)

    y = frame["y"]
    for X, target, said in (
        (frame[["a"]], y.repartition(npartitions=2), "^y has 2 partitions and X has 4"),
        (
            frame[["a"]],
            y.map_partitions(lambda part: part.iloc[:-1]),
            "^y has a partition of 749 rows of another",
        ),
        (
            frame[["a"]].assign(o=frame["a"].map_partitions(mixed, meta=("o", object))),
            y,
            "'o': holds objects of no one",
        ),
        (frame[["a"]].assign(o=frame["a"].map_partitions(sets, meta=("o", object))), y, "'o' is list"),
        (frame[["a"]].rename(columns={"a": 0}), y, r"names that are no text among \[0\]; use X.columns"),
    ):
        with pytest.raises(DataError, match=said) as told:
            Ridge().fit(X, target)
        assert "\n" not in str(told.value)


def test_other_collections_are_refused(frame):
    with pytest.raises(UsageError, match=r"give a dask\.dataframe\.DataFrame"):
        Ridge().fit(frame[["a"]].to_dask_array(lengths=True), frame["y"])
    with pytest.raises(UsageError, match=r"X is a dask Series; give a dask\.dataframe\.DataFrame"):
        Ridge().fit(frame["a"], frame["y"])
    with pytest.raises(UsageError, match="target must be a Dask Series of the same partitions"):
        Ridge().fit(frame[["a"]], np.zeros(N))
    with pytest.warns(DataWarning, match="was written"):
        model = Ridge().fit(frame[["a", "c"]], "c")
    assert model.feature_names_in_.tolist() == ["a"]
    with pytest.raises(UsageError, match=r"give a dask\.dataframe\.DataFrame"):
        model.predict(frame[["a"]].to_dask_array(lengths=True))


def test_temporary_rows_go_with_the_process(tmp_path):
    script = (
        "import warnings; warnings.simplefilter('ignore')\n"
        "import pandas as pd, dask.dataframe as dd; from scalable import from_dask\n"
        "s = from_dask(dd.from_pandas(pd.DataFrame({'a': [1.0, 2.0], 'y': [0.0, 1.0]}), npartitions=1), 'y')\n"
        "print(s.paths[0])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not os.path.exists(done.stdout.strip())
