"""What a living system keeps: versions and aliases, profiles, features of entities, tensors from the wire."""

import hashlib
import json
import shutil
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scalable import ParquetSource
from scalable.errors import ScalableError
from scalable.execution.threads import Threads
from scalable.feature_store import OnlineStore, materialize, point_in_time_join, push, read_definitions
from scalable.feature_store.join import COUNTED
from scalable.inference import load_model
from scalable.linear import LogisticRegression
from scalable.models.store import PROFILE as FILE
from scalable.monitor import learn_profile, monitor, read_profile, save_profile
from scalable.monitor.profile import KIND
from scalable.registry.entry import ENTRY
from scalable.registry.index import INDEX, best_first
from scalable.registry.registry import Registry
from scalable.serve.refusal import RefusalError
from scalable.serve.tensors import read_tensors
from scalable.storage.arrays import read_arrays, write_arrays
from tests.fuzz.mutations import VALUES, changed_arrays, changed_bytes, changed_json
from tests.fuzz.outcomes import ACCEPTED, REFUSED
from tests.fuzz.subjects.jobs import DEFINITIONS

N = 200
HOUR = 3_600_000_000_000
PAGE, HEAD_BYTES = 4096, 152  # of a page of LMDB's, and of what describes the store


def corpus(directory):
    """Write a model with its profile, a registry, an online store and a join."""
    rng = np.random.default_rng(0)
    x = rng.random(N)
    table = pa.table({"x": x, "c": rng.choice(["a", "b"], N), "y": (x > rng.random(N)).astype(np.int64)})
    pq.write_table(table, directory / "rows.parquet")
    source = ParquetSource(directory / "rows.parquet", target="y")
    LogisticRegression(n_workers=1).fit(source).save(directory / "model")
    save_profile(directory / "model", learn_profile(load_model(directory / "model"), source, Threads(1)))
    registry = Registry(directory / "registry")
    for k in range(3):
        registry.record("m", directory / "model", metrics={"auc": k / 4}, tags={"k": str(k)})
    for which in ("1", "2"):
        registry.promote("m", which, "production")
    registry.versions("m")
    (directory / "features.toml").write_text(DEFINITIONS)
    times = pa.array(rng.integers(0, 9, N) * HOUR).cast(pa.timestamp("ns"))
    events = pa.table({"customer": rng.integers(0, 5, N), "at": times, "amount": rng.integers(0, 9, N) / 4})
    (directory / "events").mkdir()
    pq.write_table(events, directory / "events" / "0.parquet")
    materialize(directory / "features.toml", directory / "store", horizon=9 * HOUR)
    point_in_time_join(joined_keys(), directory / "features.toml", directory / "joined")


def joined_keys():
    """Return what features are joined to."""
    times = pa.array([HOUR, 9 * HOUR, HOUR]).cast(pa.timestamp("ns"))
    return pa.table({"customer": [1, 2, 9], "time": times})


class Changed:
    """Changes a copy of a directory, and uses it."""

    suffix = ""
    place = ""

    def __init__(self, directory):
        self.directory = directory

    def mutate(self, rng, path):
        shutil.copytree(self.directory / self.place, path)
        self.change(rng, path)

    def check(self, path, reached):
        try:
            self.use(path)
        except (ScalableError, RefusalError):
            return REFUSED
        return ACCEPTED


def forged(rng, content):
    """JSON with other values, or other bytes."""
    if rng.random() < 0.3:
        return changed_bytes(rng, content)
    return json.dumps(changed_json(rng, json.loads(content))).encode()


class Versions(Changed):
    """A registry: records under right checksums, the index of its list, moves of an alias."""

    place = "registry"

    def change(self, rng, path):
        kind = int(rng.integers(0, 3))
        if kind == 0:
            record = next(iter(sorted(path.rglob(ENTRY))[int(rng.integers(0, 3)) :]))
            document = json.loads(record.read_text())
            if rng.random() < 0.7:
                document["entry"] = forged(rng, document["entry"].encode()).decode(errors="replace")
                document["sha256"] = hashlib.sha256(document["entry"].encode()).hexdigest()
                record.write_text(json.dumps(document))
            else:
                record.write_bytes(forged(rng, record.read_bytes()))
        elif kind == 1:
            index = next(path.rglob(INDEX))
            for record in sorted(
                path.rglob(ENTRY)
            ):  # a copy has times of its own: those of the index are kept
                record.touch()
            body = forged(rng, index.read_bytes().split(b"\n")[-2].partition(b" ")[2])
            index.write_bytes(b"%d %s\n" % (zlib.crc32(body), body))
        else:
            moves = sorted(each for each in path.rglob("production/*") if each.is_file())
            move = moves[int(rng.integers(0, len(moves)))]
            move.write_bytes(forged(rng, move.read_bytes()))

    def use(self, path):
        registry = Registry(path)
        rows, _ = registry.versions("m")
        assert len(best_first(rows, "auc")) == len(rows)
        assert {row.number for row in rows} <= {1, 2, 3}
        registry.aliases("m")
        registry.rollback("m", "production")
        for which in ("latest", "production", "1", "3"):
            registry.model("m", which, thorough=True)


class Profiled(Changed):
    """The profile in a model's directory, under a right checksum; rows are held against it."""

    place = "model"

    def __init__(self, directory):
        super().__init__(directory)
        self.source = ParquetSource(directory / "rows.parquet", target="y")

    def change(self, rng, path):
        if rng.random() < 0.2:
            (path / FILE).write_bytes(changed_bytes(rng, (path / FILE).read_bytes()))
            return
        stored = read_arrays(path / FILE, KIND)
        arrays, meta = stored.arrays, stored.meta
        if rng.random() < 0.5:
            arrays = changed_arrays(rng, arrays)
        else:
            meta = changed_json(rng, meta)
        write_arrays(path / FILE, KIND, arrays, meta)

    def use(self, path):
        read_profile(path)
        assert monitor(path, self.source, executor=Threads(1)).findings is not None


class Online(Changed):
    """An online store whose words, texts or description are others: looked up, and added to."""

    place = "store"

    def change(self, rng, path):
        definitions = read_definitions(self.directory / "features.toml")
        with OnlineStore(definitions, path, create=True) as store, store.env.begin(write=True) as transaction:
            if rng.random() < 0.4:
                text = forged(rng, bytes(transaction.get(b"store", db=store._meta)))
                transaction.put(b"store", text, db=store._meta)
                return
            table = store.tables["pay"]
            with transaction.cursor(db=table) as cursor:
                rows = [(bytes(key), bytes(value)) for key, value in cursor]
            for key, value in rows:
                words = np.frombuffer(value, np.int64).copy()
                if rng.random() < 0.5 and len(words):
                    limits = [n for n in VALUES if type(n) is int and abs(n) < 2**63]
                    at = int(rng.integers(0, min(len(words), 8)))
                    words[at] = limits[int(rng.integers(0, len(limits)))]
                    transaction.put(key, words.tobytes(), db=table)
                else:
                    transaction.put(key, changed_bytes(rng, value), db=table)

    def use(self, path):
        definitions = read_definitions(self.directory / "features.toml")
        found = None
        with OnlineStore(definitions, path) as store:
            for customer in range(6):
                try:
                    store.lookup({"customer": customer}, at=9 * HOUR)
                except ScalableError as error:
                    found = error
        if found is not None:
            raise found


class StorePages(Changed):
    """An online store whose pages are changed, cut, or of another layout: looked up, and added to."""

    place = "store"

    def __init__(self, directory):
        super().__init__(directory)
        self.definitions = read_definitions(directory / "features.toml")
        self.events = pa.table(
            {
                "customer": [3, 7],
                "at": pa.array([2 * HOUR, HOUR]).cast(pa.timestamp("ns")),
                "amount": [1.0, 2.0],
            }
        )

    def change(self, rng, path):
        file = path / "data.mdb"
        content = bytearray(file.read_bytes())
        heads = np.arange(0, len(content), PAGE)[:, None] + np.arange(HEAD_BYTES)
        for _ in range(int(rng.integers(1, 3))):
            at = int(rng.choice(heads.ravel())) if rng.random() < 0.8 else int(rng.integers(0, len(content)))
            content[at] = int(rng.integers(0, 256))
        if rng.random() < 0.1:
            del content[int(rng.integers(0, len(content))) :]
        file.write_bytes(content)

    def use(self, path):
        with OnlineStore(self.definitions, path) as store:
            for customer in range(9):
                store.lookup({"customer": customer}, at=9 * HOUR)
        with OnlineStore(self.definitions, path, create=True) as store:
            push(store, "pay", self.events, now=9 * HOUR)
            store.lookup({"customer": 7}, at=9 * HOUR)


class Joined(Changed):
    """What a join counted, gone on with."""

    place = "joined"

    def change(self, rng, path):
        (path / COUNTED).write_bytes(forged(rng, (path / COUNTED).read_bytes()))

    def use(self, path):
        point_in_time_join(joined_keys(), self.directory / "features.toml", path, resume=True)


class Tensors(Changed):
    """A request of tensors: JSON, and bytes behind it."""

    suffix = ".tensors"

    def mutate(self, rng, path):
        data = np.arange(3.0)
        document = {"id": "q", "outputs": [{"name": "prediction"}], "inputs": [
            {"name": "x", "shape": [3, 1], "datatype": "FP64", "parameters": {"binary_data_size": data.nbytes}},
            {"name": "t", "shape": [3], "datatype": "BYTES", "data": ["a", "b", None]},
            {"name": "u", "shape": [3], "datatype": "BYTES", "parameters": {"binary_data_size": 15}},
        ]}  # fmt: skip
        head = forged(rng, json.dumps(document).encode())
        tail = data.tobytes() + 3 * b"\1\0\0\0z"
        if rng.random() < 0.3:
            tail = changed_bytes(rng, tail)
        path.write_bytes(
            b"%d\n" % (len(head) if rng.random() < 0.9 else int(rng.integers(-2, 999))) + head + tail
        )

    def use(self, path):
        size, _, body = path.read_bytes().partition(b"\n")
        columns, asked = read_tensors(body, int(size))
        assert len({len(values) for values in columns.values()}) == 1
        assert isinstance(asked, dict)
