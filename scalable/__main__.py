"""``python -m scalable`` is the command line."""

import os
import sys
from pathlib import Path

HOME = str(Path(__file__).resolve().parents[1])

if sys.path[0] in ("", os.getcwd()) and sys.path[0] != HOME:
    del sys.path[
        0
    ]  # `python -m` puts the working folder first: a data_gen.py of the user's would be taken for ours

from scalable.cli import main  # noqa: E402

main()
