"""Explanations over HTTP: contributions and reason codes, as the model itself has them."""

import asyncio
import json
import re

import numpy as np
import pyarrow as pa
import pytest

from scalable.data.table import TableSource
from scalable.errors import UsageError
from scalable.inference import load_model
from scalable.linear import LogisticRegression
from scalable.serve.app import App
from scalable.serve.limits import Limits
from scalable.serve.models import Models


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    rng = np.random.default_rng(0)
    table = pa.table({"x": rng.normal(size=400), "kind": rng.choice(["a", "b"], 400)})
    found = tmp_path_factory.mktemp("reasons")
    for name, classes in (("two", 2), ("three", 3)):
        source = TableSource(table.append_column("y", pa.array(rng.integers(0, classes, 400))), "y")
        LogisticRegression(n_workers=1).fit(source).save(found / f"{name}.model")
    return found


@pytest.fixture(scope="module")
def app(place):
    return App(Models([str(place / "two.model"), str(place / "three.model")]), Limits(rows=5))


def ask(app, path, body, query=b""):
    sent = []

    async def receive():
        return {"body": body if isinstance(body, bytes) else json.dumps(body).encode()}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "headers": [], "query_string": query}
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


ROWS = [{"x": 1.5, "kind": "b"}, {"x": None, "kind": "a"}]


def test_contributions_are_the_model_s_own(app, place):
    expected = load_model(place / "two.model").explain(ROWS)
    status, one = ask(app, "/models/two/explain", ROWS[0])
    assert status == 200, one
    assert [one["contributions"][name] for name in expected.columns] == expected.contributions[0, 0].tolist()
    assert one["expected"] == expected.expected[0]
    assert one["score"] == expected.scores[0, 0]
    assert one["model"] == "two"
    _, many = ask(app, "/models/two/explain", ROWS)
    assert [row["score"] for row in many["explanations"]] == expected.scores[:, 0].tolist()
    assert ask(app, "/models/two/explain", [])[1]["explanations"] == []


def test_reasons_and_classes(app, place):
    expected = load_model(place / "three.model").explain(ROWS, top=1)
    _, many = ask(app, "/models/three/explain", ROWS, b"top=1")
    for row, reasons in zip(many["explanations"], expected, strict=True):
        assert row["reasons"] == {name: [list(one) for one in found] for name, found in reasons.items()}
        assert set(row["score"]) == set(row["expected"]) == {"0", "1", "2"}
    _, one = ask(app, "/models/three/explain", ROWS[0])
    assert set(one["contributions"]["2"]) == {"x", "kind"}


@pytest.mark.parametrize(
    ("path", "body", "query", "status", "reason"),
    [
        ("/explain", ROWS, b"", 404, "several models are served"),
        ("/models/none/explain", ROWS, b"", 404, "no model 'none'"),
        ("/models/two/explain", 3, b"", 400, "expected a JSON object"),
        ("/models/two/explain", [3], b"", 400, "expected a JSON object"),
        ("/models/two/explain", b"{", b"", 400, "not JSON"),
        ("/models/two/explain", {"x": 1.0}, b"", 400, "no 'kind'"),
        ("/models/two/explain", [{**ROWS[0], "x": "a"}], b"", 400, "row 0: column 'x' is 'a'"),
        ("/models/two/explain", ROWS * 3, b"", 413, "6 rows, at most 5"),
        ("/models/two/explain", ROWS, b"top=0", 400, "1 to 2 reasons, found top=0"),
        ("/models/two/explain", ROWS, b"top=3", 400, "1 to 2 reasons, found top=3"),
        ("/models/two/explain", ROWS, b"top=-1", 400, "expected .top=K or nothing"),
        ("/models/two/explain", ROWS, b"best=\xff", 400, "expected .top=K or nothing"),
    ],
)
def test_what_is_wrong_is_said(app, path, body, query, status, reason):
    found, answer = ask(app, path, body, query)
    assert found == status, answer
    assert re.search(reason, answer["error"]), answer


def test_a_model_without_contributions_is_refused(app, place, monkeypatch):
    predictor = app.models.get("two").predictor
    monkeypatch.setattr(
        type(predictor), "explain_block", super(type(predictor), predictor).explain_block.__func__
    )
    status, answer = ask(app, "/models/two/explain", ROWS)
    assert (status, "has no contributions" in answer["error"]) == (400, True)


def test_absent_keys_are_missing_values_where_the_server_says_so(place):
    lenient = App(Models([str(place / "two.model")]), Limits(missing_keys="missing"))
    model = load_model(place / "two.model")
    whole = [{"x": 1.5, "kind": None}, {"x": None, "kind": None}]
    expected = model.predict(whole).tolist()
    assert ask(lenient, "/predict", {"x": 1.5})[1]["prediction"] == expected[0]
    assert ask(lenient, "/predict", [{"x": 1.5}, {}])[1]["predictions"] == expected
    assert ask(lenient, "/explain", {"x": 1.5})[1]["score"] == model.explain(whole).scores[0, 0]
    status, said = ask(App(Models([str(place / "two.model")])), "/predict", {"x": 1.5})
    assert (status, "the row has no 'kind'" in said["error"]) == (400, True)
    advice = "; give null if unknown, or start the server with --missing-keys missing"
    assert said["error"].endswith(advice)
    assert ask(App(Models([str(place / "two.model")])), "/predict", [{}])[1]["error"].endswith(advice)
    with pytest.raises(UsageError, match="missing_keys should be refuse or missing, found 'null'"):
        Limits(missing_keys="null")
