"""The other utility meters: gas, water, heat and electricity behind an M-Bus, that count in virtual time."""
