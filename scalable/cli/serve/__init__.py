"""Commands about answering fast."""
