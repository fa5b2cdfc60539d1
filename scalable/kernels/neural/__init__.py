"""What neural networks compute between matrix products: activations, normalisation, losses, embeddings, steps."""
