"""Features as they are known now: a store of histories, what fills it, and what looks up."""
