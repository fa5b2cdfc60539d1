"""The server's requests: what is asked of models, whoever carries it."""

from __future__ import annotations

import asyncio
import hmac
import io
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from scalable.errors import DataError, ModelError, ScalableError, UsageError
from scalable.inference.request.arrow_stream import stream_bytes
from scalable.inference.request.json import parse_json
from scalable.serve.connection import asgi
from scalable.serve.connection.exchange import JSON, Reply, Request, json_reply, refused
from scalable.serve.limits import Limits, as_served
from scalable.serve.metrics import Metrics, added_up
from scalable.serve.models import Models, Served, open_model
from scalable.serve.observe import Observer
from scalable.serve.refusal import RefusalError
from scalable.serve.tensors import OUTPUT, PLATFORM, answer_tensors, input_types, read_tensors

if TYPE_CHECKING:
    from scalable.feature_store.online.requests import RequestFeatures
    from scalable.serve.siblings import Siblings

ARROW = b"application/vnd.apache.arrow.stream"
ARROW_OF_ANY_SORT = b"application/vnd.apache.arrow"
JSON_BYTES = b"inference-header-content-length"
Finish = Callable[[np.ndarray], Reply]  # what makes the answer of predictions
FEW_ROWS = 100  # predicted at once; more, and tables, go to a thread, so that others need not wait


class App:
    """Answers requests; an application of ASGI as well.

    Parameters
    ----------
    models : Models
    limits : Limits
    token : str or None
        What who loads models must bring; None allows nobody to.
    features : RequestFeatures, optional
        Adds stored features to each row.
    observer : Observer, optional
        Sees the rows that were answered.
    siblings : Siblings, optional
        Other processes that answer the same requests: they load what this one loads, and their metrics are added.
    """

    def __init__(
        self,
        models: Models,
        limits: Limits | None = None,
        token: str | None = None,
        features: RequestFeatures | None = None,
        observer: Observer | None = None,
        siblings: Siblings | None = None,
    ) -> None:
        self.models, self.limits, self.token, self.features = models, limits or Limits(), token, features
        self.observer, self.siblings = observer, siblings
        self.metrics = Metrics()
        self._loading = asyncio.Lock()

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
        """Answer one request of ASGI."""
        await asgi.answer(self, scope, receive, send)

    def handle(self, request: Request) -> Reply | Awaitable[Reply]:
        """Answer a request at once, or return what to wait for; neither raises."""
        try:
            found = self._reply(request)
        except Exception as error:
            return _failed(error)
        return found if isinstance(found, tuple) else _finished(found)

    def _reply(self, request: Request) -> Reply | Awaitable[Reply]:
        method, path = request.method, request.path
        if method == "POST" and path == "/predict":
            return self._predict(self.models.get(None), request)
        parts = path.strip("/").split("/")
        if method == "GET":
            return self._metrics() if parts == ["metrics"] else self._get(path, parts)
        if method != "POST":
            raise RefusalError(405, f"{method} is not answered; GET and POST are")
        match parts:
            case ["predict"]:
                return self._predict(self.models.get(None), request)
            case ["models", name, "predict"]:
                return self._predict(self.models.get(name), request)
            case ["explain"] | ["models", _, "explain"]:
                served = self.models.get(parts[1] if len(parts) > 1 else None)
                return self._explain(served, _asked_reasons(request.query), request.body)
            case ["v2", "models", name, "infer"]:
                return self._infer(self.models.get(name), request)
            case ["v2", "models", name, "versions", version, "infer"]:
                return self._infer(self.models.get(name, version), request)
            case ["v2", "repository", "models", name, "load"]:
                return self._load(name, request.headers)
            case ["v2", "repository", "index"]:
                index = [{"name": m.name, "version": m.version, "state": "READY"} for m in self.models.all]
                return json_reply(index)
            case _:
                raise RefusalError(404, f"there is no {path}")

    async def answer_sibling(self, question: dict[str, Any]) -> Any:
        """Do what another worker asks: tell the metrics, or load a model, or those of which it has other versions."""
        if question["what"] == "metrics":
            return [self._metrics_text(), None if self.observer is None else self.observer.counts()]
        own, others = self.versions(), question.get("versions")
        names = [question["name"]] if others is None else [name for name in own if own[name] != others[name]]
        try:
            for name in names:
                await self._open(name)
        except RefusalError as refusal:
            return refusal.reason
        return None

    def versions(self) -> dict[str, str]:
        """Return the version of each model."""
        return {one.name: one.version for one in self.models.all}

    def _metrics_text(self) -> str:
        return self.metrics.text(self.models.all) + ("" if self.features is None else self.features.metrics())

    async def _metrics(self) -> Reply:
        others = [] if self.siblings is None else await self.siblings.ask({"what": "metrics"})
        text = added_up([self._metrics_text(), *(told for told, _ in others)])
        if self.observer is not None:
            text += (
                self.observer.metrics([counts for _, counts in others]) if others else self.observer.metrics()
            )
        return 200, text.encode(), ((b"content-type", b"text/plain; version=0.0.4"),)

    def _get(self, path: str, parts: list[str]) -> Reply:
        match parts:
            case ["v2"]:
                return json_reply({"name": PLATFORM, "version": "2", "extensions": ["binary_tensor_data"]})
            case ["v2", "health", "live"]:
                return json_reply({"live": True})
            case ["v2", "health", "ready"]:
                return json_reply({"ready": True})
            case ["v2", "models", name]:
                return json_reply(_metadata(self.models.get(name)))
            case ["v2", "models", name, "versions", version]:
                return json_reply(_metadata(self.models.get(name, version)))
            case ["v2", "models", name, "ready"]:
                return json_reply({"name": self.models.get(name).name, "ready": True})
            case _:
                raise RefusalError(404, f"there is no {path}")

    def _predict(self, served: Served, request: Request) -> Reply | Awaitable[Reply]:
        if request.headers.get(b"content-type", b"").startswith(ARROW_OF_ANY_SORT):
            return self._predict_table(served, _table(request.body, self.limits.body_bytes))
        rows = parse_json(request.body)
        many = type(rows) is not dict
        if not many and self.observer is None:
            return self._predict_row(served, rows)
        rows = _checked_rows(rows) if many else [rows]

        def finish(found: np.ndarray) -> Reply:
            answer = {"predictions": found.tolist()} if many else {"prediction": found[0].tolist()}
            return json_reply(answer | {"model": served.name, "version": served.version})

        return self._found(served, rows, len(rows), finish)

    def _predict_row(self, served: Served, row: dict[str, Any]) -> Reply:
        """Answer what most requests are without a step that they do not need."""
        start = time.perf_counter()
        if self.features is not None:
            row = self.features.lookup_into(row)
        found = served.predictor.answer(row, self.limits.missing_keys)
        self.metrics.predicted(served.name, 1, time.perf_counter() - start)
        value = found if type(found) is float else np.asarray(found).tolist()
        return json_reply({"prediction": value, "model": served.name, "version": served.version})

    def _predict_table(self, served: Served, table: pa.Table) -> Reply | Awaitable[Reply]:
        def finish(found: np.ndarray) -> Reply:
            columns = [found] if found.ndim == 1 else list(found.T)
            names = [OUTPUT] if found.ndim == 1 else [f"{OUTPUT}_{k}" for k in range(len(columns))]
            out = pa.table(dict(zip(names, columns, strict=True)))
            sink = io.BytesIO()
            with pa.ipc.new_stream(sink, out.schema) as writer:
                writer.write_table(out)
            version = (b"x-model-version", served.version.encode())
            return 200, sink.getvalue(), ((b"content-type", ARROW), version)

        return self._found(served, table, table.num_rows, finish)

    async def _explain(self, served: Served, top: int | None, body: bytes) -> Reply:
        rows = parse_json(body)
        many = isinstance(rows, list)
        rows = _checked_rows(rows if many else [rows])
        if len(rows) > self.limits.rows:
            raise _too_many(len(rows), self.limits.rows)
        if self.features is not None:
            rows = [self.features.lookup_into(row) for row in rows]
        answers = []
        if rows:
            try:
                found = await asyncio.to_thread(
                    served.predictor.explain, rows, None, self.limits.missing_keys
                )
                answers = found.rows(top)
            except (ModelError, UsageError) as error:
                raise RefusalError(400, str(error)) from None
        answer = {"explanations": answers} if many else answers[0]
        return json_reply({**answer, "model": served.name, "version": served.version})

    def _infer(self, served: Served, request: Request) -> Reply | Awaitable[Reply]:
        said = request.headers.get(JSON_BYTES)
        if said is not None and (not said.isdigit() or len(said) > 18):
            raise RefusalError(400, f"{JSON_BYTES.decode()} is no number of bytes")
        columns, asked = read_tensors(request.body, None if said is None else int(said))
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

        def finish(found: np.ndarray) -> Reply:
            text, json_bytes = answer_tensors(served, asked, found)
            if json_bytes is None:
                return 200, text, JSON
            sizes = (JSON_BYTES, str(json_bytes).encode())
            return 200, text, ((b"content-type", b"application/octet-stream"), sizes)

        return self._found(served, rows, len(rows), finish)

    def _found(self, served: Served, rows: Any, n_rows: int, finish: Finish) -> Reply | Awaitable[Reply]:
        """Predict a few rows at once, many and those of a table in a thread, and finish the answer."""
        if n_rows > self.limits.rows:
            raise _too_many(n_rows, self.limits.rows)
        predictor, start, absent = served.predictor, time.perf_counter(), self.limits.missing_keys
        if not n_rows:
            return finish(np.empty((0, predictor.n_outputs) if predictor.n_outputs > 1 else 0))
        if self.features is not None:
            rows = [
                self.features.lookup_into(row)
                for row in (rows if isinstance(rows, list) else rows.to_pylist())
            ]
        table = not isinstance(rows, list)  # the first of these compiles, and each takes a millisecond
        if n_rows > FEW_ROWS or table:
            return self._found_in_thread(served, rows, start, finish)
        if n_rows == 1:
            found = np.asarray([predictor.answer(rows[0], absent)])
        else:
            found = np.asarray(predictor.predict(rows, absent))
        self._note(served, rows, found, start)
        return finish(found)

    async def _found_in_thread(self, served: Served, rows: Any, start: float, finish: Finish) -> Reply:
        found = np.asarray(await asyncio.to_thread(served.predictor.predict, rows, self.limits.missing_keys))
        self._note(served, rows, found, start)
        return finish(found)

    def _note(self, served: Served, rows: Any, found: np.ndarray, start: float) -> None:
        self.metrics.predicted(served.name, len(found), time.perf_counter() - start)
        if self.observer is not None:
            self.observer.observe(served.name, served.version, rows, found)

    async def _load(self, name: str, headers: dict[bytes, bytes]) -> Reply:
        if self.token is None:
            raise RefusalError(403, "no models are loaded here: the server was started without a token")
        given = headers.get(b"authorization", b"")
        if not hmac.compare_digest(given, b"Bearer " + self.token.encode()):
            raise RefusalError(401, "the token is missing or another")
        before, served = await self._open(name)
        if self.siblings is not None:
            failed = [reason for reason in await self.siblings.ask({"what": "load", "name": name}) if reason]
            if failed:
                raise RefusalError(500, f"{len(failed)} workers go on with another version: {failed[0]}")
        return json_reply({"name": name, "version": served.version, "before": before.version})

    async def _open(self, name: str) -> tuple[Served, Served]:
        """Read a model's path again; return what was served, and what is."""
        async with self._loading:
            before = self.models.get(name)
            try:
                served = await asyncio.to_thread(open_model, name, before.path)
            except (ScalableError, OSError) as error:
                raise RefusalError(409, f"{error}; version {before.version} goes on") from None
            self.models.replace(served)
        return before, served


def _asked_reasons(query: bytes) -> int | None:
    """Return the `K` of ``top=K``, None for all contributions."""
    if not query:
        return None
    name, _, value = query.partition(b"=")
    if name != b"top" or not value.isdigit() or len(value) > 6:
        raise RefusalError(400, f"expected ?top=K or nothing, found ?{query.decode('latin-1'):.60}")
    return int(value)


def _checked_rows(rows: Any) -> list[dict[str, Any]]:
    if isinstance(rows, list) and all(type(row) is dict for row in rows):
        return rows
    raise RefusalError(400, "expected a JSON object, a row, or an array of them")


def _too_many(n_rows: int, most: int) -> RefusalError:
    return RefusalError(413, f"{n_rows:,} rows, at most {most:,} are taken at a time")


def _metadata(served: Served) -> dict[str, Any]:
    predictor = served.predictor
    shape = [-1] if predictor.n_outputs == 1 else [-1, predictor.n_outputs]
    return {
        "name": served.name,
        "versions": [served.version],
        "platform": PLATFORM,
        "inputs": [{"name": name, "datatype": kind, "shape": [-1]} for name, kind in input_types(predictor)],
        "outputs": [{"name": OUTPUT, "datatype": "FP64", "shape": shape}],
    }


def _table(body: bytes, most: int) -> pa.Table:
    """Return the rows of an Arrow stream."""
    try:
        if stream_bytes(body) > most:
            raise RefusalError(413, f"a body of more than {most:,} bytes once it is decompressed")
        table = pa.ipc.open_stream(io.BytesIO(body)).read_all()
        table.validate(full=True)
        str(table.schema)  # names and zones, whose bytes nobody has looked at
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise RefusalError(400, f"not an Arrow stream: {error}") from None
    return table


async def _finished(found: Awaitable[Reply]) -> Reply:
    try:
        return await found
    except Exception as error:
        return _failed(error)


def _failed(error: Exception) -> Reply:
    """Return the answer to what cannot be done, and to a mistake here: who asked learns it, the others are answered."""
    if isinstance(error, RefusalError):
        return refused(error)
    if isinstance(error, DataError):
        return refused(RefusalError(400, as_served(error)))
    logging.getLogger(__name__).error("a request failed", exc_info=error)
    return refused(RefusalError(500, f"the request failed here: {type(error).__name__}"))
