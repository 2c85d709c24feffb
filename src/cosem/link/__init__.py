"""Links: what carries APDUs between two ends, as machines without input and output of their own."""
