"""The server over its socket: protocols, refusals, a swap under load, the end."""

import asyncio
import http.client
import io
import json
import os
import re
import shutil
import signal
import socket
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from scalable.bayes import CategoricalNB
from scalable.inference import load_model
from scalable.serve.app import App
from scalable.serve.models import Models
from scalable.serve.tensors import input_types
from tests.serve.running import ROW, ask, start, stop

pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")


def test_rows_of_json(port, place, table):
    model = load_model(place / "fraud.model")
    status, body, _ = ask(port, "POST", "/predict", ROW)
    assert status == 200
    assert json.loads(body)["prediction"] == model.predict_one(ROW)
    status, body, _ = ask(port, "POST", "/models/fraud/predict", [ROW] * 120)
    assert json.loads(body)["predictions"] == [model.predict_one(ROW)] * 120


def test_arrow_streams(port, place, table):
    tags = pa.array([["new"]] * len(table))  # what the model does not read may be of any type
    sent, sink = table.append_column("tags", tags), io.BytesIO()
    with pa.ipc.new_stream(sink, sent.schema) as writer:
        writer.write_table(sent.slice(0, 150))
    kind = {"Content-Type": "application/vnd.apache.arrow.stream"}
    status, body, _ = ask(port, "POST", "/predict", sink.getvalue(), kind)
    assert status == 200, body
    found = pa.ipc.open_stream(body).read_all().column("prediction").to_numpy()
    np.testing.assert_array_equal(found, load_model(place / "fraud.model").predict(table.slice(0, 150)))
    assert ask(port, "POST", "/predict", b"no arrow", kind)[0] == 400
    harmed = sink.getvalue().replace(b"when", b"whe\xf9")
    assert ask(port, "POST", "/predict", harmed, kind)[0] == 400
    zeros = pa.table({name: pa.nulls(10**5, pa.float64()).fill_null(0.0) for name in "abc"})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, zeros.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(zeros)
    assert len(sink.getvalue()) < 20_000
    status, body, _ = ask(port, "POST", "/predict", sink.getvalue(), kind)
    assert status == 413, body
    assert b"once it is decompressed" in body


def test_inputs_of_a_model_of_numbers_and_categories(tmp_path):
    """Its encoder keeps the two apart: the description of its tensors ended in a KeyError."""
    rows = pa.table({"kind": ["a", "b"] * 40, "x": np.arange(80.0)})
    CategoricalNB().fit(rows, np.arange(80) // 3 % 2).save(tmp_path / "m")
    assert sorted(input_types(load_model(tmp_path / "m"))) == [("kind", "BYTES"), ("x", "FP64")]


def tensors(**changes):
    inputs = [
        {"name": "x", "shape": [2], "datatype": "FP64", "data": [1.5, -2.0]},
        {"name": "kind", "shape": [2, 1], "datatype": "BYTES", "data": ["b", "new"]},
        {"name": "when", "shape": [2], "datatype": "INT64", "data": [10**9, 5]},
    ]
    return {"id": "7", "inputs": [{**one, **changes.get(one["name"], {})} for one in inputs]}


def test_open_inference_protocol(port, place):
    model = load_model(place / "fraud.model")
    expected = [
        model.predict_one({"x": 1.5, "kind": "b", "when": 10**9}),
        model.predict_one({"x": -2.0, "kind": "new", "when": 5}),
    ]
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/fraud/ready", "/v2"):
        assert ask(port, "GET", path)[0] == 200
    about = json.loads(ask(port, "GET", "/v2/models/fraud")[1])
    kinds = [(one["name"], one["datatype"]) for one in about["inputs"]]
    assert kinds == [("x", "FP64"), ("kind", "BYTES"), ("when", "INT64")]
    status, body, _ = ask(port, "POST", "/v2/models/fraud/infer", tensors())
    answer = json.loads(body)
    assert status == 200
    assert answer["id"] == "7"
    assert answer["outputs"] == [{"name": "prediction", "datatype": "FP64", "shape": [2], "data": expected}]
    version = about["versions"][0]
    assert ask(port, "POST", f"/v2/models/fraud/versions/{version}/infer", tensors())[0] == 200

    raw = [np.array([1.5, -2.0]).tobytes(), b"\1\0\0\0b\3\0\0\0new", np.array([10**9, 5]).tobytes()]
    request = tensors()
    for one, data in zip(request["inputs"], raw, strict=True):
        del one["data"]
        one["parameters"] = {"binary_data_size": len(data)}
    request["parameters"] = {"binary_data_output": True}
    text = json.dumps(request).encode()
    size = {"Inference-Header-Content-Length": str(len(text))}
    status, body, headers = ask(port, "POST", "/v2/models/fraud/infer", text + b"".join(raw), size)
    assert status == 200, body
    at = int(headers["inference-header-content-length"])
    assert json.loads(body[:at])["outputs"][0]["parameters"] == {"binary_data_size": 16}
    np.testing.assert_array_equal(np.frombuffer(body[at:]), expected)
    assert ask(port, "POST", "/v2/models/fraud/infer", text + b"".join(raw)[:-1], size)[0] == 400
    narrow = tensors(x={"datatype": "FP32", "data": [0.1, None]})  # the number that its four bytes would be
    found = json.loads(ask(port, "POST", "/v2/models/fraud/infer", narrow)[1])["outputs"][0]["data"]
    assert found[0] == model.predict_one({"x": float(np.float32(0.1)), "kind": "b", "when": 10**9})


@pytest.mark.parametrize(
    ("path", "body", "status", "reason"),
    [
        ("/predict", "{", 400, "not JSON"),
        ("/predict", "3", 400, "expected a JSON object"),
        ("/predict", {"x": 1.0}, 400, "no 'kind', which the model was trained on"),
        ("/predict", {**ROW, "x": "1"}, 400, "column 'x' is '1'"),
        ("/predict", {**ROW, "when": "soon"}, 400, "not a time of ISO 8601"),
        ("/predict", [ROW] * 151, 413, "at most 150"),
        ("/predict", " " * 20001, 413, "a body of more than 20,000 bytes"),
        ("/models/nobody/predict", ROW, 404, "no model 'nobody'; there is fraud"),
        ("/v2/models/fraud/versions/9/infer", {}, 404, "not 9"),
        ("/elsewhere", {}, 404, "there is no /elsewhere"),
        ("/v2/models/fraud/infer", {}, 400, "a list of tensors"),
        ("/v2/models/fraud/infer", tensors() | {"outputs": [{"name": "score"}]}, 400, "only 'prediction'"),
        ("/v2/models/fraud/infer", tensors() | {"outputs": 5}, 400, "'outputs' is 5"),
        ("/v2/models/fraud/infer", tensors(x={"shape": [3]}), 400, "its shape says 3"),
        ("/v2/models/fraud/infer", tensors(x={"shape": [2, 2]}), 400, "expected .rows. or"),
        ("/v2/models/fraud/infer", tensors(x={"datatype": "FP8"}), 400, "unknown datatype"),
        ("/v2/models/fraud/infer", tensors(x={"datatype": ["FP64"]}), 400, "unknown datatype"),
        (
            "/v2/models/fraud/infer",
            tensors(x={"parameters": 7}),
            400,
            "'parameters' is 7, expected an object",
        ),
        ("/v2/models/fraud/infer", tensors(x={"data": ["a", "b"]}), 400, "not FP64"),
        ("/v2/models/fraud/infer", tensors(x={"datatype": "FP32", "data": [1, 1e39]}), 400, "is not FP32"),
        (
            "/v2/models/fraud/infer",
            tensors(x={"datatype": "UINT8", "data": [1, 256]}),
            400,
            "256 is not UINT8",
        ),
        ("/v2/models/fraud/infer", tensors(x={"datatype": "INT8", "data": [1, 0.5]}), 400, "0.5 is not INT8"),
        ("/v2/models/fraud/infer", tensors(x={"datatype": "BOOL", "data": [True, 1]}), 400, "1 is not BOOL"),
        ("/v2/models/fraud/infer", tensors(x={"data": [[1.0, 2.0], 3.0]}), 400, "is not FP64"),
        (
            "/v2/models/fraud/infer",
            tensors(x={"data": [1.0], "shape": [1]}),
            400,
            "different numbers of rows",
        ),
        ("/v2/models/fraud/infer", tensors(kind={"name": "x"}), 400, "names of their own"),
        ("/v2/repository/models/fraud/load", {}, 401, "token"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(port, path, body, status, reason):
    found, text, _ = ask(port, "POST", path, body)
    error = json.loads(text)["error"]
    assert found == status, error
    assert re.search(reason, error), error
    assert "\n" not in error
    assert ask(port, "POST", "/predict", ROW)[0] == 200


def test_a_mistake_of_ours_is_one_line_too(place, table, monkeypatch):
    app = App(Models([str(place / "fraud.model")]))
    monkeypatch.setattr(app, "_found", lambda *_: 1 // 0)
    sent = []

    async def receive():
        return {"body": b"[{}]"}

    async def send(message):
        sent.append(message)

    asked = {"type": "http", "method": "POST", "path": "/predict", "headers": [], "query_string": b""}
    asyncio.run(app(asked, receive, send))
    assert sent[0]["status"] == 500
    assert json.loads(sent[1]["body"]) == {"error": "the request failed here: ZeroDivisionError"}


def test_metrics(port):
    ask(port, "POST", "/predict", ROW)
    text = ask(port, "GET", "/metrics")[1].decode()
    for name in (
        'requests_total{status="200"}',
        "rejections_total 0",
        'model_info{model="fraud"',
        "_seconds_bucket",
    ):
        assert f"scalable_{name}" in text or name in text


def test_a_full_queue_is_refused_at_once(place, table):
    process, port = start(place, "--queue", "1")
    try:
        with socket.create_connection(("127.0.0.1", port)) as slow:
            slow.sendall(b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n{")
            time.sleep(0.3)
            status, _, headers = ask(port, "POST", "/predict", ROW)
        assert (status, headers["retry-after"]) == (503, "1")
        maps = Path(f"/proc/{process.pid}/maps")
        if maps.exists() and find_spec("pandas"):  # else a first unusual row imports it, and all wait
            assert "/pandas/" in maps.read_text()
    finally:
        stop(process)


def test_a_swap_and_the_end_lose_no_request(place, table):
    process, port = start(place)
    statuses, versions, done = [], set(), threading.Event()

    def keep_asking():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        while not done.is_set():
            connection.request("POST", "/predict", json.dumps(ROW))
            answer = connection.getresponse()
            versions.add(json.loads(answer.read())["version"])
            statuses.append(answer.status)
        connection.close()

    askers = [threading.Thread(target=keep_asking) for _ in range(3)]
    try:
        for asker in askers:
            asker.start()
        os.rename(place / "fraud.model", place / "first")
        shutil.copytree(place / "second", place / "fraud.model")
        bearer = {"Authorization": "Bearer secret"}
        status, body, _ = ask(port, "POST", "/v2/repository/models/fraud/load", "", bearer)
        assert status == 200, body
        new = json.loads(body)
        while new["version"] not in versions:
            time.sleep(0.01)
        (place / "fraud.model" / "model.json").write_text("{")
        status, body, _ = ask(port, "POST", "/v2/repository/models/fraud/load", "", bearer)
        assert status == 409
        assert f"version {new['version']} goes on" in json.loads(body)["error"]
    finally:
        done.set()
        for asker in askers:
            asker.join()
        shutil.rmtree(place / "fraud.model")
        os.rename(place / "first", place / "fraud.model")
    assert set(statuses) == {200}
    assert len(versions) == 2

    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        body = json.dumps(ROW).encode()
        client.sendall(b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body))
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        client.sendall(body)
        assert b"200 OK" in client.recv(1000)
    assert process.wait(20) in (0, -signal.SIGTERM)
    process.stdout.close()
