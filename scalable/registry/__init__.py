"""Versions of models as nothing but files: numbered records that appear whole, and aliases that move in one step."""

from scalable.registry.registry import Registry

__all__ = ["Registry"]
