"""How long a saved forest takes to be compiled and to answer for the first time.

python -m bench.billion.compiling MODEL
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path


def main() -> None:
    """Compile the model and print seconds as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("model", type=Path)
    options = parser.parse_args()
    import numpy as np

    from scalable.inference import compile_model

    start = time.perf_counter()
    predictor = compile_model(options.model)
    compiled = time.perf_counter()
    predictor.predict_one(np.zeros(predictor.n_features))
    print(
        json.dumps(
            {"compile_seconds": compiled - start, "first_answer_seconds": time.perf_counter() - compiled}
        )
    )


if __name__ == "__main__":
    main()
