"""Processes that records time find our modules compiled, as they find those of peers."""

import os
import subprocess
import sys


def test_what_is_compiled_of_a_checkout_is_kept_whatever_the_environment_says():
    asked = "import bench, os, sys; print(sys.dont_write_bytecode, os.environ.get('PYTHONDONTWRITEBYTECODE'))"
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", asked], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "None"]
