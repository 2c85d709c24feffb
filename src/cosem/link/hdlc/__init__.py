"""HDLC (IEC 62056-46): frames, states, and the link of either side."""
