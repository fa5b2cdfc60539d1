"""Of two jobs that score into one directory, one does."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.errors import UsageError
from scalable.execution.threads import Threads
from scalable.linear import LogisticRegression
from scalable.models.predictors import load_model
from scalable.scoring.parts import WriteParts
from scalable.scoring.predict_files import score


def test_two_jobs_do_not_write_to_one_directory(tmp_path, monkeypatch):
    """The second had removed what the first was writing, as if it had been killed, and was refused itself."""
    rng = np.random.default_rng(0)
    x = rng.random(300)
    pq.write_table(pa.table({"x": x, "y": (x > rng.random(300)).astype(int)}), tmp_path / "rows.parquet")
    source = ParquetSource(tmp_path / "rows.parquet", target="y")
    LogisticRegression().fit(source).save(tmp_path / "m")
    predictor, out, said = load_model(tmp_path / "m"), tmp_path / "out", []
    begin = WriteParts.begin

    def begin_and_be_joined(self, shards):
        part = begin(self, shards)
        for resume in (False, True):
            with pytest.raises(UsageError, match="another process is writing there") as error:
                score(predictor, source, out, resume=resume)
            said.append(error)
        return part

    monkeypatch.setattr(WriteParts, "begin", begin_and_be_joined)
    assert score(predictor, source, out, executor=Threads(1)) == 300
    assert len(said) == 2
    monkeypatch.undo()
    assert score(predictor, source, out, resume=True) == 0
