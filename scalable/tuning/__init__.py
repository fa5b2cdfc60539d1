"""Search of parameters: successive halving over rows that are encoded and binned once."""
