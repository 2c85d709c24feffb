"""Foreign peers against us, and us against them, over real sockets of this machine. Run it with ``make interop``."""
