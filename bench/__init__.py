"""Benchmarks: asv suites and side-by-side runs with peers."""
