"""Reductions over shards, the rounds that run them, and the executors that do the work."""
