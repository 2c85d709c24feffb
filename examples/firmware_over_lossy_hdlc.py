"""Write 512 KiB of firmware into a meter in one SET, by general block transfer over an HDLC line that loses frames.

Client, meter and line are in this process and in virtual time: a minute on the line passes in less than a second here,
and the same seed loses the same frames.
"""

import hashlib
import random

from cosem.apdu import AttributeDescriptor, GetRequestNormal, SetRequestNormal
from cosem.association.conversations import open_association, release
from cosem.association.initiator import Initiator
from cosem.association.responder import Responder
from cosem.association.settings import AssociationSettings
from cosem.association.steps import Call
from cosem.classes import AttributeAccess, Data
from cosem.classes.access import Access, AccessRights
from cosem.codec import axdr
from cosem.conformance_block import LN_ALL
from cosem.device import AssociationSpec, LogicalDevice, PhysicalDevice
from cosem.device.random import SeededRandom
from cosem.io.memory import MemoryDriver
from cosem.link.hdlc.link import HdlcLink
from cosem.link.hdlc.parameters import HdlcParameters
from cosem.link.memory import LineQuality, LossyPipe
from cosem.obis import Obis

SIZE = 512 * 1024
SLOT = Obis.parse("0-128:96.128.0")  # a number of the manufacturer's own
LINE = LineQuality(loss=0.01, corruption=0.01, delay=0.02, jitter=0.01)  # of each write: up to seven frames
FRAMES = HdlcParameters(max_info_tx=1024, max_info_rx=1024, window_tx=7, window_rx=7)

# A meter with one object that takes the image, and one client that may write it.
meter = PhysicalDevice(b"CSM\x00\x00\x00\x00\x01", 0, SeededRandom(1), simulation=True)
logical = meter.add(LogicalDevice(1, b"CSM1"))
slot = logical.add(Data(SLOT, value=axdr.octet_string(b"")))
both = AccessRights((AttributeAccess(1, Access.READ), AttributeAccess(2, Access.READ_AND_WRITE)), ())
logical.associate(
    AssociationSpec(1, 1, lambda obj: both if obj is slot else None, conformance=LN_ALL, max_pdu_size=4096)
)
meter.build()

seeded = random.Random(7)
client = Initiator(
    HdlcLink(parameters=FRAMES),
    AssociationSettings(client_sap=1, conformance=LN_ALL, max_pdu_size=4096, block_window=63, response_timeout=60.0),
)
server = Responder(HdlcLink(server=True, parameters=FRAMES), meter, seeded.randbytes)
line = MemoryDriver(client, server, LossyPipe(seeded.random, LINE))


def write(image: bytes):
    target = AttributeDescriptor(1, SLOT, 2)
    yield from open_association(client, seeded.randbytes)
    answer = yield Call(SetRequestNormal(target, None, axdr.encode(axdr.octet_string(image))))
    print("SET:", answer.result.name.lower().replace("_", " "))
    stored = yield Call(GetRequestNormal(target, None))
    yield from release(client)
    return axdr.decode(stored.data).value


image = seeded.randbytes(SIZE)
stored = line.run(write(image))
print(f"{len(stored)} octets written and read back, {'equal' if stored == image else 'DIFFERENT'}")
print("SHA-256", hashlib.sha256(stored).hexdigest()[:16])
print(f"{line.steps} writes arrived in {line.now:.0f} seconds of the line's time")
