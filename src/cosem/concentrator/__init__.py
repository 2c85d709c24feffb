"""A concentrator: meters of a network that cannot be reached otherwise, read, kept, and reachable from above."""
