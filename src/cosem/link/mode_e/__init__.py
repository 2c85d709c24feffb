"""IEC 62056-21 mode E: opening an optical port, choosing the speed, and handing over to HDLC."""
