"""The server's requests: an ASGI application, whatever runs it."""

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
from scalable.inference.request.json import encode_json, parse_json
from scalable.serve.limits import Limits
from scalable.serve.metrics import Metrics, added_up
from scalable.serve.models import Models, Served, open_model
from scalable.serve.observe import Observer
from scalable.serve.refusal import RefusalError
from scalable.serve.tensors import OUTPUT, PLATFORM, answer_tensors, input_types, read_tensors

if TYPE_CHECKING:
    from scalable.feature_store.online.requests import RequestFeatures
    from scalable.serve.siblings import Siblings

JSON, ARROW = b"application/json", b"application/vnd.apache.arrow.stream"
JSON_BYTES = b"inference-header-content-length"
Reply = tuple[int, bytes, list[tuple[bytes, bytes]]]
REASON = 1000  # letters of a refusal, which may show what was sent
FEW_ROWS = 100  # predicted at once; more go to a thread, so that others need not wait


class App:
    """Answers requests.

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
        if scope["type"] != "http":
            return
        metrics = self.metrics
        if metrics.waiting >= self.limits.waiting:
            metrics.rejected += 1
            await _send(send, _refused(RefusalError(503, "too many requests wait; come again")))
            metrics.answered(503)
            return
        metrics.waiting += 1
        try:
            reply = await self._reply(scope, receive)
        except RefusalError as refusal:
            reply = _refused(refusal)
        except DataError as error:
            reply = _refused(RefusalError(400, str(error)))
        except Exception as error:  # a mistake here: who asked learns that, and the others are answered
            logging.getLogger(__name__).exception("a request failed")
            reply = _refused(RefusalError(500, f"the request failed here: {type(error).__name__}"))
        finally:
            metrics.waiting -= 1
        metrics.answered(reply[0])
        await _send(send, reply)

    async def _reply(self, scope: Any, receive: Callable[[], Awaitable[Any]]) -> Reply:
        method, path = scope["method"], scope["path"]
        parts = path.strip("/").split("/")
        if method == "GET":
            return await self._metrics() if parts == ["metrics"] else self._get(path, parts)
        if method != "POST":
            raise RefusalError(405, f"{method} is not answered; GET and POST are")
        headers = dict(scope["headers"])
        match parts:
            case ["predict"]:
                served = self.models.get(None)
            case ["models", name, "predict"]:
                served = self.models.get(name)
            case ["explain"] | ["models", _, "explain"]:
                served = self.models.get(parts[1] if len(parts) > 1 else None)
                top = _asked_reasons(scope["query_string"])
                return await self._explain(served, top, await self._body(headers, receive))
            case ["v2", "models", name, "infer"]:
                return await self._infer(self.models.get(name), headers, receive)
            case ["v2", "models", name, "versions", version, "infer"]:
                return await self._infer(self.models.get(name, version), headers, receive)
            case ["v2", "repository", "models", name, "load"]:
                return await self._load(name, headers)
            case ["v2", "repository", "index"]:
                index = [{"name": m.name, "version": m.version, "state": "READY"} for m in self.models.all]
                return _json(index)
            case _:
                raise RefusalError(404, f"there is no {path}")
        return await self._predict(served, headers, await self._body(headers, receive))

    async def answer_sibling(self, question: dict[str, Any]) -> Any:
        """Do what another worker asks: load a model, or tell the metrics."""
        if question["what"] == "metrics":
            return [self._metrics_text(), None if self.observer is None else self.observer.counts()]
        try:
            await self._open(str(question["name"]))
        except RefusalError as refusal:
            return refusal.reason
        return None

    def _metrics_text(self) -> str:
        return self.metrics.text(self.models.all) + ("" if self.features is None else self.features.metrics())

    async def _metrics(self) -> Reply:
        others = [] if self.siblings is None else await self.siblings.ask({"what": "metrics"})
        text = added_up([self._metrics_text(), *(told for told, _ in others)])
        if self.observer is not None:
            text += (
                self.observer.metrics([counts for _, counts in others]) if others else self.observer.metrics()
            )
        return 200, text.encode(), [(b"content-type", b"text/plain; version=0.0.4")]

    def _get(self, path: str, parts: list[str]) -> Reply:
        match parts:
            case ["v2"]:
                return _json({"name": PLATFORM, "version": "2", "extensions": ["binary_tensor_data"]})
            case ["v2", "health", "live"]:
                return _json({"live": True})
            case ["v2", "health", "ready"]:
                return _json({"ready": True})
            case ["v2", "models", name]:
                return _json(_metadata(self.models.get(name)))
            case ["v2", "models", name, "versions", version]:
                return _json(_metadata(self.models.get(name, version)))
            case ["v2", "models", name, "ready"]:
                return _json({"name": self.models.get(name).name, "ready": True})
            case _:
                raise RefusalError(404, f"there is no {path}")

    async def _body(self, headers: dict[bytes, bytes], receive: Callable[[], Awaitable[Any]]) -> bytes:
        most = self.limits.body_bytes
        too_large = RefusalError(413, f"a body of more than {most:,} bytes")
        said = headers.get(b"content-length", b"0")
        if said.isdigit() and (len(said) > 18 or int(said) > most):
            raise too_large

        try:
            async with asyncio.timeout(self.limits.seconds):  # without a task of its own, as wait_for has
                message = await receive()
                body = message.get("body", b"")
                while message.get("more_body"):
                    message = await receive()
                    body += message.get("body", b"")
                    if len(body) > most:
                        raise too_large
                return bytes(body)
        except TimeoutError:
            raise RefusalError(
                408, f"the body was not there within {self.limits.seconds:g} seconds"
            ) from None

    async def _predict(self, served: Served, headers: dict[bytes, bytes], body: bytes) -> Reply:
        if headers.get(b"content-type", JSON).startswith(b"application/vnd.apache.arrow"):
            most = self.limits.body_bytes
            try:
                if stream_bytes(body) > most:
                    raise RefusalError(413, f"a body of more than {most:,} bytes once it is decompressed")
                table = pa.ipc.open_stream(io.BytesIO(body)).read_all()
                table.validate(full=True)
                str(table.schema)  # names and zones, whose bytes nobody has looked at
            except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
                raise RefusalError(400, f"not an Arrow stream: {error}") from None
            found = await self._found(served, table, table.num_rows)
            columns = [found] if found.ndim == 1 else list(found.T)
            names = [OUTPUT] if found.ndim == 1 else [f"{OUTPUT}_{k}" for k in range(len(columns))]
            out = pa.table(dict(zip(names, columns, strict=True)))
            sink = io.BytesIO()
            with pa.ipc.new_stream(sink, out.schema) as writer:
                writer.write_table(out)
            return (
                200,
                sink.getvalue(),
                [(b"content-type", ARROW), (b"x-model-version", served.version.encode())],
            )
        rows = parse_json(body)
        if type(rows) is dict:
            found = await self._found(served, [rows], 1)
            answer: dict[str, Any] = {"prediction": found[0].tolist()}
        else:
            rows = _checked_rows(rows)
            answer = {"predictions": (await self._found(served, rows, len(rows))).tolist()}
        return _json({**answer, "model": served.name, "version": served.version})

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
        return _json({**answer, "model": served.name, "version": served.version})

    async def _infer(self, served: Served, headers: dict[bytes, bytes], receive: Any) -> Reply:
        body = await self._body(headers, receive)
        said = headers.get(JSON_BYTES)
        if said is not None and (not said.isdigit() or len(said) > 18):
            raise RefusalError(400, f"{JSON_BYTES.decode()} is no number of bytes")
        columns, asked = read_tensors(body, None if said is None else int(said))
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        found = await self._found(served, rows, len(rows))
        text, json_bytes = answer_tensors(served, asked, found)
        if json_bytes is None:
            return 200, text, [(b"content-type", JSON)]
        sizes = (JSON_BYTES, str(json_bytes).encode())
        return 200, text, [(b"content-type", b"application/octet-stream"), sizes]

    async def _found(self, served: Served, rows: Any, n_rows: int) -> np.ndarray:
        if n_rows > self.limits.rows:
            raise _too_many(n_rows, self.limits.rows)
        predictor, start, absent = served.predictor, time.perf_counter(), self.limits.missing_keys
        if not n_rows:
            return np.empty((0, predictor.n_outputs) if predictor.n_outputs > 1 else 0)
        if self.features is not None:
            rows = [
                self.features.lookup_into(row)
                for row in (rows if isinstance(rows, list) else rows.to_pylist())
            ]
        if n_rows == 1 and isinstance(rows, list):
            found = np.asarray([predictor.answer(rows[0], absent)])
        elif n_rows <= FEW_ROWS:
            found = predictor.predict(rows, absent)
        else:
            found = await asyncio.to_thread(predictor.predict, rows, absent)
        self.metrics.predicted(served.name, n_rows, time.perf_counter() - start)
        found = np.asarray(found)
        if self.observer is not None:
            self.observer.observe(served.name, served.version, rows, found)
        return found

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
        return _json({"name": name, "version": served.version, "before": before.version})

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


def _json(answer: Any) -> Reply:
    return 200, encode_json(answer), [(b"content-type", JSON)]


def _refused(refusal: RefusalError) -> Reply:
    line = " ".join(refusal.reason.split())[:REASON]
    headers = [(b"content-type", JSON)] + ([(b"retry-after", b"1")] if refusal.status == 503 else [])
    return refusal.status, encode_json({"error": line}), headers


async def _send(send: Any, reply: Reply) -> None:
    status, body, headers = reply
    size = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, size]})
    await send({"type": "http.response.body", "body": body})
