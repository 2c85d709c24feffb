"""Say what octets mean, layer by layer: a protected answer as it went over the line, and what is inside of it."""

from cosem.explain import explain
from cosem.explain.keyring import KeyEntry, Keyring
from cosem.explain.text import render
from cosem.security.gcm import protect
from cosem.simulator.meter import DEMO_KEYS

TITLE = b"CSM\x00\x00\x00\x00\x01"

# A GET response with a register's value. A meter sends it protected; so does this line, with keys made for examples.
plain = bytes.fromhex("c401c10006000016dc")
content = protect(
    DEMO_KEYS.global_unicast_encryption_key, DEMO_KEYS.authentication_key, TITLE, counter=7, control=0x30, plain=plain
)
apdu = bytes((0xDB, len(TITLE))) + TITLE + bytes((len(content),)) + content  # general-glo-ciphering
frame = bytes.fromhex("000100010010") + len(apdu).to_bytes(2, "big") + apdu  # the wrapper of IEC 62056-47

print("Without keys:")
for line in render(explain(frame)):
    print(" ", line)

print("With them:")
keyring = Keyring((KeyEntry("demo", DEMO_KEYS),))
for line in render(explain(frame, keyring=keyring)):
    print(" ", line)
