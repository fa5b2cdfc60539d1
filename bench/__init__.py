"""Benchmarks: asv suites and side-by-side runs with peers."""

import os
import sys

# Packages that were installed are compiled already. Where nobody may keep what is compiled of a checkout, each process
# would compile it anew: .08 s of each that a record times, and of ours alone.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
