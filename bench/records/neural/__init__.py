"""Records of mini-batches and of the networks that learn from them."""
