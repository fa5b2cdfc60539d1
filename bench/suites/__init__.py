"""asv suites (the ``benchmark_dir``)."""
