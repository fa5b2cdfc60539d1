import pytest

from scalable.data.readers.pages import CODED


@pytest.fixture(autouse=True)
def our_own_decoder(monkeypatch):
    """Tests of reading see the decoder of ours, compiled or not."""
    monkeypatch.setattr(CODED, "patience", 0)
