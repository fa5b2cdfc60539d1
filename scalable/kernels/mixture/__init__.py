"""Steps of expectation and maximisation over rows."""
