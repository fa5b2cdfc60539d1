"""The server over HTTP, held against a bare echo, other servers and FastAPI; and whether it leaks."""
