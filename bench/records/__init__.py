"""Recorded runs: each writes one results document of docs/results."""
