"""How Numba is made to compile kernels: what is left out, what is linked in, what is kept on disk."""
