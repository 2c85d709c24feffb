"""Simulated devices, ready to be served."""
