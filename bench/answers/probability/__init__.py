"""Probabilistic thinking."""
