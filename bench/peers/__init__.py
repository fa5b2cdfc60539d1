"""Side by side with others: one file a peer, each run in a fresh process; see ``docs/benchmarks.md``."""
