"""Contenders at writing made-up rows; rows differ in width, so bytes are reported beside them."""
