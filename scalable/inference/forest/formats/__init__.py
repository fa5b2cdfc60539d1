"""One parser a library."""
