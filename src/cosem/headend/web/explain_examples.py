"""Examples of the Explain page: telegrams of simulated meters, under the keys that stand in every example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cosem.explain.keyring import KeyEntry, Keyring
from cosem.explain.mbus import no_keys, one_key
from cosem.mbus.keys import KeysOf


@dataclass(frozen=True, slots=True)
class Example:
    """One example; `keyed` where it opens with the example keys, which the page says."""

    words: str
    text: str
    keyed: bool = False

    def keyring(self) -> Keyring:
        """Return the keys of examples where they are wanted."""
        from cosem.simulator.meter import DEMO_KEYS

        return Keyring((KeyEntry("example", DEMO_KEYS),)) if self.keyed else Keyring()

    def meters(self) -> KeysOf:
        """Return the key of M-Bus meters."""
        from cosem.simulator.meter import DEMO_KEYS

        key = DEMO_KEYS.global_unicast_encryption_key
        return one_key(key) if self.keyed and key is not None else no_keys


EXAMPLES: Final = {
    "push": Example(
        "HDLC push",
        """7e a0 5b 03 02 23 13 f7 fe e6 e7 00 0f 00 00 00 01 00 02 09 09 0c 07 ea 0b 01 07 00 00 00 00 ff c4 00
09 06 01 00 01 08 00 ff 06 00 bc 61 4e 02 02 0f 00 16 1e 09 06 01 00 01 07 00 ff 06 00 00 01 9c 02 02 0f 00 16 1b
09 06 00 00 60 01 00 ff 09 08 43 53 4d 30 30 30 30 31 bf ab 7e""",
    ),
    "protected": Example(
        "Protected answer",
        "0001000100100025db0843534d00000000011a3000000007872510414cfea1baa04011f514be9c4fd4697e1f68",
        keyed=True,
    ),
    "session": Example(
        "Trace of a session",
        """0.085 > 000100010001005f605da109060760857405080103a60a040843534d00000000108a0207808b0760857405080205ac128010
dbcc5c653e46062691a2103fc74a3731be230421211f300000000087e7472b6d4cf68061a1270175d35c06464f1b96ab2c30
c34d0e
0.091 < 000100010001006b6169a109060760857405080103a203020100a305a10302010ea40a040843534d01000000018802078089
0760857405080205aa12801087efe148282cba691af6c134ad39eafdbe230421281f30000000015d1af7f02e6bc7c3a0587e
3d72a9374041f5e971840104697960
0.091 > 0001000100010033cb313000000002fa194177e3393ad00568f9374e328eff2b558a21dae8fa92d3e81601df3918b63007ee
d6ef1f62c6d4da1118
0.091 < 000100010001002ccf2a30000000037734dd364ddb9a0ab082ab6aca07aafd936db91e9816c5e3d7849381fe41ef19739591
fb52
0.092 > 0001000100010020c81e300000000348150606013ddf48acd6ec03f754d0d89880746cd984926005
0.092 < 000100010001001ccc1a3000000004ca82e06d30e3cdf28f5d0fd770225da36189991eaa
0.092 > 000100010001002a6228800100be230421211f300000000427646b6e68cce5b2538300b493eb808e8d4022660304e667ee23
0.092 < 000100010001002a6328800100be230421281f3000000005bead79f9a474971cdf23854e4b028e948f3ee13e68e39dffb117""",
        keyed=True,
    ),
    "mbus": Example("M-Bus", "68 20 20 68 08 FD 72 78 56 34 12 93 15 33 03 2A 00 00 00 0C 14 27 04 85 02 04 6D 32 37 1F\
 15 02 FD 17 00 00 89 16"),
    "wmbus": Example(
        "Wireless M-Bus",
        "2E4493157856341233037A2A00202546F8246C3636D26D1A7AD770E1F8DBBBFE768CBE8C12F16CD517A254B5806A95",
        keyed=True,
    ),
    "p1": Example(
        "P1 telegram",
        """/CSM5EXAMPLE

1-3:0.2.8(50)
0-0:1.0.0(261101000000W)
1-0:1.8.1(001234.567*kWh)
1-0:1.7.0(00.412*kW)
!7FDC
""",
    ),
    "plc": Example(
        "Power line", "6c6c00c00fff119000011d64000a000000000000000000000000000000000000000b8480"
    ),
    "broken": Example("Cut short", "000100010010000d c4 01 c1 00 02 02 06 00 bc 61 4e 06 00"),
}  # fmt: skip
"""Examples by their name in the address."""
