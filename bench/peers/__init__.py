"""Peers: what people would use instead, one file each."""
