"""LightGBM's dataset: bins found once, filled block by block."""
