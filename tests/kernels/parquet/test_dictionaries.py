import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scalable.kernels.parquet.dictionaries import split_texts


@given(st.lists(st.binary(max_size=6), max_size=8), st.data())
def test_lengths_are_taken_out_and_missing_bytes_noticed(texts, data):
    raw = b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    starts, content = np.empty(len(texts) + 1, np.int32), np.empty(max(1, len(raw)), np.uint8)
    used = split_texts(np.frombuffer(raw, np.uint8), starts, content)
    assert content[:used].tobytes() == b"".join(texts)
    assert np.diff(starts).tolist() == [len(text) for text in texts]
    if texts:
        cut = data.draw(st.integers(0, len(raw) - 1))
        assert split_texts(np.frombuffer(raw[:cut], np.uint8), starts, content) == -1
