"""From random words to values: streams, laws, elementary functions."""
