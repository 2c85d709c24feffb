"""Gas devices that convert volume and energy, analyse gas, and keep what they did: in virtual time."""
