"""The M-Bus of a meter: the master of a bus and the devices behind it as COSEM objects (classes 25, 70, 72 to 77)."""
