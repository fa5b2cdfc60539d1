"""Files of models that are not read here: what they are, told by how they begin, and what to do."""

from __future__ import annotations

_PICKLE = (
    "a pickle or a compressed file, as joblib writes them; reading one runs what is in it, so do that yourself: "
    "compile_model(joblib.load(FILE)).save(NEW), or the booster's save_model"
)
_DUMP = (
    "what dump_model wrote, from which nothing is loaded; the library's save_model writes the model itself"
)
# How files begin: what it is.
_BEGINNINGS = (
    ((b"\x80", b"ccopy_reg", b"c__main__", b"\x1f\x8b", b"x\x01", b"x^", b"x\x9c", b"x\xda", b"BZh", b"\xfd7zXZ",
      b"]\0\0"), _PICKLE),
    ((b"CBM1",), 'CatBoost\'s own binary; load it and save it again with save_model(NEW, format="json")'),
    ((b"binf", b"bs64"), "XGBoost's old binary; load it with a release before 3.1 and save it as NEW.json or NEW.ubj"),
    ((b"booster[", b"[\n  { \"nodeid\""), _DUMP),
    ((b"\xff\xfe", b"\xfe\xff"), "UTF-16, as some shells write text; save it as UTF-8, or by the library's save_model"),
    ((b"PAR1",), "Parquet; give the model first, then the data"),
    ((b"version https://git-lfs",), "a pointer of git-lfs; fetch the file itself: git lfs pull"),
    ((b"<?xml", b"<PMML"), "XML, perhaps PMML; give the model that it was made from"),
)  # fmt: skip
_ONNX = "ONNX, or another format that models are exported to; give the model that it was made from"


def told(data: bytes) -> str | None:
    """Return what a file's content is and what to do, None where its beginning does not tell."""
    if not data:
        return "empty"
    if data[:1] == b"\x08" and data[1:2] < b" " and data[2:3] in b"\x12\x1a":  # a version, then who wrote it
        return _ONNX
    if data[:1] == b"{" and b'"tree_info"' in data:
        return _DUMP
    if data[:4] == b"\0\0\0?":  # a base score of one half
        return _BEGINNINGS[2][1]
    return next((what for beginnings, what in _BEGINNINGS if data.startswith(beginnings)), None)
