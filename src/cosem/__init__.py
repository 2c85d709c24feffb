"""DLMS/COSEM on both sides of the wire: read meters, be a meter, explain octets."""

__version__ = "0.1.0"
