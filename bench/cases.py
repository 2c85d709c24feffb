"""Every line of the table."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from tempfile import TemporaryDirectory

from bench import peers, world
from bench.measure import medians
from bench.report import Line

AK, EK = peers.AK, peers.EK


def _line(what: str, ours: Callable[[], object], goal: float, **rivals: Callable[[], object]) -> Line:
    times = medians({"ours": ours, **rivals})
    mine = times.pop("ours")
    return Line(what, mine, goal, {name.replace("_", "-"): value for name, value in times.items()})


def profile() -> list[Line]:
    """Load profile of 2,976 rows x 8 columns."""
    from cosem.codec.axdr import Tag
    from cosem.codec.rows import RowLayout, decode_columns, decode_rows, encode_rows

    rows = world.profile_rows()
    octets = world.profile_octets(rows)
    layout = RowLayout([(Tag.OCTET_STRING, 12), Tag.UNSIGNED, *(Tag.DOUBLE_LONG_UNSIGNED,) * 6])
    if decode_rows(octets) != rows or encode_rows(layout, rows) != octets:
        raise SystemExit("the profile is not decoded or encoded rightly: nothing is measured")
    read = {"dlms_cosem": peers.dlms_cosem_rows(octets), "gurux": peers.gurux_rows(octets)}
    times = medians(
        {
            "rows": lambda: decode_rows(octets),
            "views": lambda: decode_columns(octets),
            "native": lambda: decode_columns(octets, native=True),
            **read,
        },
        rounds=7,
    )
    rivals = {"dlms-cosem": times["dlms_cosem"], "gurux": times["gurux"]}
    return [
        Line("profile 2,976 x 8 decoded to rows", times["rows"], 50, rivals),
        Line("  to columns, views", times["views"], 500, rivals),
        Line("  to columns, native integers", times["native"], 150, rivals),
        _line(
            "  encoded",
            lambda: encode_rows(layout, rows),
            12,
            dlms_cosem=peers.dlms_cosem_encode(rows),
            gurux=peers.gurux_encode(rows),
        ),
    ]


def protection() -> list[Line]:
    """Protect and unprotect, with header, counter and tag checks; then against the bare cipher."""
    from cosem.security.context import SecurityContext
    from cosem.security.counters import END, SendingCounter
    from cosem.security.policy import BOTH

    def ours(plain: bytes) -> Callable[[], object]:
        sender = SecurityContext(
            world.KEYS, peers.CLIENT_TITLE, peers.METER_TITLE, policy=BOTH, sending=SendingCounter(0, END)
        )
        receiver = SecurityContext(world.KEYS, peers.METER_TITLE, peers.CLIENT_TITLE, policy=BOTH)

        def call() -> object:
            return receiver.open(sender.protect(plain, 0x30), len, request=True)

        return call

    small, large = bytes(range(100)), bytes(1400)
    cosem_protect, cosem_unprotect = peers.dlms_cosem_whole_protection()
    gurux_protect, gurux_unprotect = peers.gurux_protection()
    bare_protect, bare_unprotect = peers.dlms_cosem_protection(large)
    return [
        _line(
            "protect + unprotect 100 octets, all checks",
            ours(small),
            4,
            dlms_cosem=lambda: cosem_unprotect(cosem_protect(small)),
            gurux=lambda: gurux_unprotect(gurux_protect(small)),
        ),
        _line(
            "  1,400 octets, peer's bare cipher",
            ours(large),
            2,
            dlms_cosem=lambda: bare_unprotect(bare_protect()),
        ),
    ]


def hdlc() -> list[Line]:
    """HDLC: build and parse an I frame."""
    from cosem.link.hdlc.frame import HdlcAddress, build, parse

    destination, source = HdlcAddress.of(16).octets, HdlcAddress.of(1, 17).octets
    lines = []
    for size, goal in ((128, 20), (2000, 40)):
        payload = b"\xe6\xe7\x00" + bytes(index & 0xFF for index in range(size - 3))
        cosem_build, cosem_parse = peers.dlms_cosem_hdlc(payload)
        gurux_build, gurux_parse = peers.gurux_hdlc(payload)
        lines.append(
            _line(
                f"HDLC frame of {size} octets, built and parsed",
                lambda payload=payload: parse(build(destination, source, 0x10, payload)),
                goal,
                dlms_cosem=lambda b=cosem_build, p=cosem_parse: p(b()),
                gurux=lambda b=gurux_build, p=gurux_parse: p(b()),
            )
        )
    return lines


def acse() -> list[Line]:
    """AARQ built and AARE parsed, with GMAC and ciphered initiate PDUs."""
    from cosem.apdu import parse
    from cosem.association.conversations import _aarq, _initiate_response
    from cosem.association.initiator import Initiator
    from cosem.link.wrapper import WrapperLink
    from cosem.security.counters import END, SendingCounter
    from cosem.security.policy import Policy

    challenge = bytes(range(16))
    settings = world.Ends(world.meter(3), 0x30).initiator.settings
    # On every side the connection object stands; what is measured is the AARQ it makes and the AARE it takes.
    machine = Initiator(WrapperLink(), settings)
    context = machine.secure(SendingCounter(7, END), Policy(0x30, 0x30))

    def build() -> bytes:
        return _aarq(machine, lambda count: challenge, challenge).encode()

    octets = world.aare_octets()
    counter = context.receiving()

    def read() -> object:
        counter.last = None
        aare = parse(octets, checked=False).service
        context.peer_title = aare.responding_ap_title
        return _initiate_response(machine, aare.user_information)

    return [
        _line("AARQ built, GMAC", build, 4, dlms_cosem=peers.dlms_cosem_aarq(challenge), gurux=peers.gurux_aarq()),
        _line("AARE parsed, GMAC", read, 6, dlms_cosem=peers.dlms_cosem_aare(octets), gurux=peers.gurux_aare(octets)),
    ]


def round_trip() -> list[Line]:
    """GET client -> device -> client in memory, access rights included; and a whole secured session."""
    from cosem.apdu.base import SelectiveAccess
    from cosem.association.conversations import open_association
    from cosem.classes.c007_profile_generic import by_time
    from cosem.codec import axdr
    from cosem.device.random import SeededRandom
    from cosem.times import CosemDateTime

    count = 2000
    lines = []
    for what, policy, goal in (("plain", 0, 15e-6), ("ciphered", 3, 30e-6)):
        driver = world.Ends(world.meter(policy, 5 if policy else 0), policy << 4, 5 if policy else 0)
        driver.run(open_association(driver.initiator, SeededRandom(3)))
        times = medians({"ours": lambda driver=driver: driver.run(world.many_gets(count))}, rounds=7)
        lines.append(Line(f"GET round trip in memory, {what}", times["ours"] / count, goal))
    meter = world.meter(3)
    day = by_time(
        CosemDateTime.from_datetime(datetime(2026, 10, 18, 12, tzinfo=UTC)),
        CosemDateTime.from_datetime(datetime(2026, 10, 19, 11, 45, tzinfo=UTC)),
    )
    selection = SelectiveAccess(day.selector, axdr.encode(day.parameters))
    random = SeededRandom(4)

    def whole() -> object:
        driver = world.Ends(meter, 0x30)
        return driver.run(world.session(driver.initiator, random, selection))

    from cosem.codec.rows import decode_rows

    if len(decode_rows(whole())) != 96:  # type: ignore[arg-type]
        raise SystemExit("the session does not read a whole day: nothing is measured")
    times = medians({"ours": whole}, rounds=7)
    # Both ends run in this process; the goal is for one side.
    lines.append(Line("secured session with a day profile, per side", times["ours"] / 2, 250e-6))
    return lines


_START = """
import time
def resident():
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * 4096 / 2**20
before = resident()
start = time.perf_counter()
{code}
took = time.perf_counter() - start
print(took, resident() - before)
"""


def start_up() -> list[Line]:
    """Time and memory of `import cosem`, until a client is ready to read, and of the whole Blue Book."""
    codes = {
        "import cosem": ("import cosem", 25e-3, 6.0),
        "ready to read": (
            "from cosem.client import connect, DeviceKeys, MeterUrl\n"
            "from cosem.client.plan import Plan\n"
            "from cosem.classes import Register\n"
            "from cosem.security.keys import Keys\n"
            "from cosem.security.gcm import cipher\n"
            "from cosem.io.blocking import BlockingDriver, TcpTransport\n"
            "import cosem.apdu.get, cosem.apdu.acse, cosem.apdu.action, cosem.codec.rows, cosem.client.profile\n"
            "cipher(bytes(16))\n"
            "Plan('tcp://localhost?client=1&auth=high-gmac&security=both', counters='x',\n"
            "     device=DeviceKeys('x', Keys(bytes(16), bytes(16)))).core()",
            97e-3,
            22.0,
        ),
        "every interface class": (
            "from cosem.classes import known, versions_of\n[versions_of(number) for number in known()]",
            150e-3,
            16.0,
        ),
    }
    lines = []
    with TemporaryDirectory() as folder:
        # As a package that pip installed: its byte code is there, whatever this environment says about writing any.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = folder
        for what, (code, seconds, mebibytes) in codes.items():
            command = [sys.executable, "-c", _START.format(code=code)]
            samples = []
            for _ in range(8):
                done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
                took, memory = done.stdout.split()
                samples.append((float(took), float(memory)))
                time.sleep(0.01)
            del samples[0]  # it compiled
            samples.sort()
            lines.append(Line(f"{what}: time", samples[3][0], seconds))
            lines.append(Line(f"{what}: memory", sorted(memory for _, memory in samples)[3], mebibytes, unit="MiB"))
    return lines


CASES = (profile, protection, hdlc, acse, round_trip, start_up)
