"""The pull-request gate: two commits, each built as its wheel, measured in turns; see ``docs/benchmarks.md``."""
