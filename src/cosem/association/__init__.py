"""Associations: the machine of the initiating and of the responding side, and what they say to each other."""
