"""Memory that must not grow with rows."""
