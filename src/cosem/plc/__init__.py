"""Power line: the S-FSK profile of IEC 61334, from the slot of the mains to networks; no input or output."""
