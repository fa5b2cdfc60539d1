"""Reduction, map, replicas and iterate: the ways of going through shards, and the executors that do the work."""
