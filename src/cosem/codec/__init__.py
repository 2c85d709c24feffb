"""Octets and values: A-XDR, runs of equally laid-out rows, and the BER that ACSE needs."""
