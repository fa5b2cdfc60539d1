"""Models whose parts were forged under right checksums are refused, and cost no more memory than their files."""

import hashlib
import io
import json
import re
import tracemalloc
import zipfile

import numpy as np
import pytest

from scalable.bayes import GaussianNB
from scalable.boosting import LGBMClassifier
from scalable.errors import ModelError, UsageError
from scalable.inference import load_model
from scalable.linear import LinearRegression
from scalable.mixture import KMeans
from scalable.models.store import read_model, save_model, unpacked


@pytest.fixture
def model(tmp_path):
    return save_model(tmp_path / "m", "linear", {"a": 1}, {"coef": np.arange(6.0)}, {"booster.txt": "tree"})


def reseal(path, name, content):
    """Replace a part, and make all checksums right."""
    document = json.loads((path / "model.json").read_text())
    if name != "model.json":
        (path / name).write_bytes(content)
        document["parts"][name] = hashlib.sha256(content).hexdigest()
        content = json.dumps(document).encode()
    (path / "model.json").write_bytes(content)
    (path / "model.sha256").write_text(hashlib.sha256(content).hexdigest())


def test_text_that_is_not_utf8_is_refused(model):
    reseal(model, "booster.txt", b"tree\xff\xfe")
    with pytest.raises(ModelError, match=r"m: damaged \('utf-8' codec"):
        read_model(model)


@pytest.mark.parametrize(
    "document",
    [
        b"[]", b"1", b"null", b'{"format": 1}', b"[" * 100_000, b"\xff", b"",
        b'{"format": 1, "kind": "linear", "meta": [1], "parts": {}}',
        b'{"format": 1, "kind": "linear", "meta": {}, "parts": ["a"]}',
        b'{"format": 1, "kind": "linear", "meta": {}, "parts": {"a": 1}}',
    ],
)  # fmt: skip
def test_documents_of_another_shape_are_refused(model, document):
    reseal(model, "model.json", document)
    with pytest.raises(ModelError):
        read_model(model)


def npz(entries, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def npy(array=None, header=None):
    buffer = io.BytesIO()
    np.save(buffer, np.arange(3.0) if array is None else array)
    data = buffer.getvalue()
    return data if header is None else data[:10] + header.ljust(len(data) - 35).encode() + b"\n" + data[-24:]


def test_a_bomb_is_refused_before_it_is_unpacked(model):
    bomb = npz({"coef.npy": npy(np.zeros(2**25))}, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 2**20
    reseal(model, "arrays.npz", bomb)
    tracemalloc.start()
    with pytest.raises(ModelError, match="compressed"):
        read_model(model)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


def test_entries_that_share_their_bytes_are_refused():
    content = npy(np.zeros(2**16))
    data = npz({f"{k}.npy": content if k == 0 else b"" for k in range(50)})
    # in the directory at the end, every entry is said to be the first
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        first = entries[0]
        for entry in entries:
            entry.header_offset, entry.file_size = first.header_offset, first.file_size
            entry.compress_size, entry.CRC = first.compress_size, first.CRC
        head = data[: archive.start_dir]
        buffer = io.BytesIO(head)
        forged = zipfile.ZipFile(io.BytesIO(), "w")
        forged.fp, forged.filelist, forged.start_dir = buffer, entries, len(head)
        buffer.seek(len(head))
        forged._write_end_record()
    with pytest.raises(ValueError, match=r"compressed|cannot be read|is not"):
        unpacked(buffer.getvalue())


@pytest.mark.parametrize(
    "content",
    [
        npy(header="{'descr': '<f8', 'fortran_order': False, 'shape': (300000000000,)}"),
        npy(header="{'descr': '<f8', 'fortran_order': False, 'shape': (2,)}"),
        npy(header="{'descr': '<f8', 'fortran_order': False, 'shape': (-3,)}"),
        npy(header="{'descr': '|O', 'fortran_order': False, 'shape': (3,)}"),
        npy(header="{'descr': '|V0', 'fortran_order': False, 'shape': (3,)}"),
        npy(header="__import__('os').abort()"),
        npy(header="{'descr': '<f8', 'shape': (3,)}"),
        npy()[:-1], npy()[:8], b"", b"\x93NUMPY\x09\x00" + bytes(90), b"PK\x03\x04",
    ],
)  # fmt: skip
def test_arrays_that_are_not_what_they_say_are_refused(model, content):
    reseal(model, "arrays.npz", npz({"coef.npy": content}))
    with pytest.raises(ModelError, match=r"m: damaged"):
        read_model(model)


@pytest.mark.parametrize(
    "array", [np.zeros((2, 3), order="F"), np.array(1.5), np.array(["é"]), np.zeros((0, 4))]
)
def test_arrays_come_back_as_they_were_laid_out(array):
    buffer = io.BytesIO()
    np.savez(buffer, a=array)
    found = unpacked(buffer.getvalue())["a"]
    np.testing.assert_array_equal(found, array)
    assert found.flags.f_contiguous == array.flags.f_contiguous
    assert found.flags.writeable


@pytest.mark.parametrize("gone", ["estimator", "params", "fitted"])
def test_an_estimator_without_a_part_of_itself_is_refused(tmp_path, gone):
    X = np.random.default_rng(0).random((50, 2))
    LinearRegression().fit(X, X[:, 0]).save(tmp_path / "m")
    document = json.loads((tmp_path / "m" / "model.json").read_text())
    del document["meta"]["learner"][gone]
    reseal(tmp_path / "m", "model.json", json.dumps(document).encode())
    with pytest.raises(ModelError, match=rf"m: .*damaged.*{gone}"):
        LinearRegression.load(tmp_path / "m")


@pytest.mark.parametrize(
    ("learner", "wanted"), [(KMeans(2, random_state=0), "cluster_centers"), (GaussianNB(), "theta")]
)
def test_a_model_without_one_of_its_arrays_is_refused(tmp_path, learner, wanted):
    X = np.random.default_rng(0).random((50, 2))
    learner.fit(X, *([X[:, 0] > 0.5] if wanted == "theta" else [])).save(tmp_path / "m")
    arrays = unpacked((tmp_path / "m" / "arrays.npz").read_bytes())
    del arrays[wanted]
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    reseal(tmp_path / "m", "arrays.npz", buffer.getvalue())
    for load in (load_model, type(learner).load):
        with pytest.raises(ModelError, match=rf"damaged.*{wanted}"):
            load(tmp_path / "m")


def test_a_classifier_with_fewer_classes_than_outputs_is_refused(tmp_path):
    X = np.random.default_rng(0).random((100, 2))
    LGBMClassifier(n_estimators=2, num_leaves=3).fit(X, X[:, 0] > 0.5).save(tmp_path / "m")
    document = json.loads((tmp_path / "m" / "model.json").read_text())
    document["meta"]["encoder"]["labels"]["classes"].pop()
    reseal(tmp_path / "m", "model.json", json.dumps(document).encode())
    for load in (load_model, LGBMClassifier.load):
        with pytest.raises(ModelError, match="1 classes"):
            load(tmp_path / "m")


@pytest.mark.parametrize("centers", [np.zeros((3, 1)), np.zeros(6), np.zeros((0, 2)), np.zeros((3, 4))])
def test_centers_of_other_columns_are_refused(tmp_path, centers):
    X = np.random.default_rng(0).random((50, 2))
    KMeans(3, random_state=0).fit(X).save(tmp_path / "m")
    arrays = unpacked((tmp_path / "m" / "arrays.npz").read_bytes()) | {"cluster_centers": centers}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    reseal(tmp_path / "m", "arrays.npz", buffer.getvalue())
    for load in (load_model, KMeans.load):
        with pytest.raises(ModelError, match="centers of shape"):
            load(tmp_path / "m")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r"\nleft_child=\S+", "\nleft_child=7777777"),
        (r"\nsplit_feature=\S+", "\nsplit_feature=7"),
        (r"\[enable_bundle: ", "[enable_bundle:\0"),
        ("end of parameters", "end of parametres"),
        (r"\ninternal_weight=\S", "\ninternal_weight=<"),
        (r"\nsplit_gain=\S+", "\nsplit_gain=nan(x)"),
        (r"\nshrinkage=1", "\nshrinkage=one"),
    ],
)
def test_texts_that_end_the_process_of_lightgbm_are_refused(tmp_path, old, new):
    """Where its trees lead outside themselves, a parameter has no value, or a number that we do not use is none."""
    X = np.random.default_rng(0).random((500, 2))
    model = LGBMClassifier(n_estimators=3, num_leaves=4, engine="lightgbm").fit(X, X[:, 0] > X[:, 1])
    model.save(tmp_path / "m")
    text = re.sub("tree_sizes=.*\n", "", (tmp_path / "m" / "booster.txt").read_text())
    changed = re.sub(old, new, text, count=1)
    assert changed != text
    for content, load in ((text, True), (changed, False)):
        (tmp_path / "plain.txt").write_text(content)
        reseal(tmp_path / "m", "booster.txt", content.encode())
        if load:
            assert len(LGBMClassifier.load(tmp_path / "m").predict(X)) == 500
            continue
        with pytest.raises(ModelError):
            LGBMClassifier.load(tmp_path / "m")
        with pytest.raises(UsageError, match="no LightGBM model can be read there"):
            LGBMClassifier(n_estimators=1).fit(X, X[:, 0] > X[:, 1], init_model=tmp_path / "plain.txt")
