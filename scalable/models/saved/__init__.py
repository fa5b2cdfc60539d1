"""What saved models hold: parameters as JSON, and how earlier releases wrote them."""
