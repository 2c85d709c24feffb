"""A neighbourhood: concentrators, electricity meters, M-Bus meters, a gas station and a power line, in virtual time."""
