"""Compiled forests: trees, their lowering, block and row programs."""
