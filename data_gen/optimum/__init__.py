"""The best possible score on a dataset, streamed."""
