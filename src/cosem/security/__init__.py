"""Protection of APDUs and proof of identity: octets and a security header in, octets out."""
