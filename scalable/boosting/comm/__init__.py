"""How worker processes exchange bytes."""
