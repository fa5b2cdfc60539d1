"""Senior questions."""
