"""Input and output: sockets, event loops, files and time, which drive the machines below."""
