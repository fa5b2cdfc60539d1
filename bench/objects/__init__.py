"""Training from an object store: a real server on loopback, a link of known speed before it, and what they cost."""
