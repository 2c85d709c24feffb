"""What is decided before a meter is dialled: settings, links, and which invocation counters are used."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from cosem.association.initiator import Initiator
from cosem.association.settings import AssociationSettings
from cosem.association.steps import Step
from cosem.client.core import ClientOptions, Core
from cosem.client.keyfile import ENVIRONMENT, DeviceKeys, KeyFile
from cosem.client.url import MeterUrl
from cosem.errors import ConfigError, ExceptionResponseReceived, KeyMissing, Timeout
from cosem.link.line import Line, LineSettings
from cosem.obis import Obis
from cosem.tolerances import TOLERANT, Tolerances

if TYPE_CHECKING:
    from pathlib import Path

    from cosem.io.aio import Opener
    from cosem.io.blocking import Transport
    from cosem.link.base import Link
    from cosem.link.hdlc.parameters import HdlcParameters
    from cosem.security.counters import CounterStore

PUBLIC_CLIENT = 16
DEFAULT_TITLE = b"CSM\x00\x00\x00\x00\x10"
"""Client system title where none is given; a real one is the utility's own."""
COUNTER_ERROR = 6


class Plan:
    """Everything `connect` has to decide, apart from how octets travel: settings, counters, links.

    `block` are invocation counters that `counters` has leased already: the first association takes them.
    """

    def __init__(
        self,
        url: MeterUrl | str,
        *,
        keys: KeyFile | Path | str | None = None,
        device: DeviceKeys | None = None,
        counters: CounterStore | Path | str | None = None,
        options: ClientOptions | None = None,
        user_id: int | None = None,
        weak_mechanisms: frozenset[int] | None = None,
        block: tuple[int, int] | None = None,
    ) -> None:
        self.url = MeterUrl.parse(url) if isinstance(url, str) else url
        self.options = options or self._default_options()
        self._line = Line(self.url.serial.line if self.url.serial is not None else LineSettings())
        if device is None:
            file = keys if isinstance(keys, KeyFile) else KeyFile.find(keys)
            device = file.device(self.url.device)
        self.device = device
        self._counters = counters
        self.counter_floor = 0
        self.weak = weak_mechanisms
        self.settings = self._settings(user_id)
        self.settings.block = block

    def _default_options(self) -> ClientOptions:
        if self.url.serial is None:
            return ClientOptions()
        from cosem.client.serial import MAX_PDU_SIZE

        return ClientOptions(max_pdu_size=MAX_PDU_SIZE)

    def _where(self) -> str:
        """Say where a key that is missing goes: most often the key file itself was not given."""
        section = self.device.name
        return f"write it into section [{section}] of the key file, which --keys or {ENVIRONMENT} names (docs/cli.md)"

    def _settings(self, user_id: int | None) -> AssociationSettings:
        url, device = self.url, self.device
        secret = device.password if url.mechanism == 1 else device.hls_secret
        if url.mechanism == 1 and secret is None:
            raise KeyMissing(f"auth=low needs a password: {self._where()}")
        if url.mechanism in (2, 3, 4, 6) and secret is None:
            raise KeyMissing(f"this authentication needs hls_secret: {self._where()}")
        guarded = bool(url.security) or url.mechanism == 5
        if guarded:
            for name in ("global_unicast_encryption_key", "authentication_key"):
                wanted = name == "global_unicast_encryption_key" or url.mechanism == 5 or url.security & 0x10
                if wanted and getattr(device.keys, name) is None:
                    raise KeyMissing(f"{name} is needed: {self._where()}")
        settings = AssociationSettings(
            client_sap=url.client,
            server_sap=url.server,
            physical=url.physical,
            mechanism=url.mechanism,
            secret=secret,
            protection=url.security,
            ciphering=url.ciphering,
            suite=device.suite,
            keys=device.keys,
            system_title=device.client_system_title or DEFAULT_TITLE,
            meter_system_title=device.system_title or b"",
            user_id=user_id,
            max_pdu_size=self.options.max_pdu_size,
            # Whoever writes auth=high-md5 has named it.
            weak_mechanisms=frozenset({url.mechanism}) if self.weak is None else self.weak,
            allow_unverified=not device.verify,
            tolerances=device.tolerances,
            referencing=url.referencing,
        )
        if url.timeout is not None:
            settings.response_timeout = settings.connect_timeout = url.timeout
        if url.serial is not None:
            url.serial.give_time(settings, url.timeout)
        if guarded:
            settings.lease = self.lease
        return settings

    def take(self, device: DeviceKeys, counter_floor: int) -> None:
        """Use other keys and secrets from the next association on, and invocation counters from `counter_floor` on."""
        self.device = device
        self.counter_floor = counter_floor
        self.settings.block = None
        self.settings.keys = device.keys
        self.settings.secret = device.password if self.url.mechanism == 1 else device.hls_secret

    def link(self) -> Link:
        """Return a new link of the URL's framing, through the gateway where it names one."""
        serial, tolerances = self.url.serial, self.device.tolerances
        if serial is None:
            link = client_link(self.url, tolerances)
        else:
            link = serial.link(self._line, tolerances, hdlc_parameters(self.url), size=self.url.address_size)
        if self.url.gateway is None:
            return link
        from cosem.link.gateway import GatewayLink

        return GatewayLink(link, *self.url.gateway)

    def transport(self) -> Transport:
        """Return a new transport for the blocking driver."""
        if self.url.serial is not None:
            from cosem.io.serial import SerialTransport

            return SerialTransport(self.url.serial.path, self._line)
        from cosem.io.blocking import TcpTransport
        from cosem.io.udp import UdpTransport

        kind = UdpTransport if self.url.transport == "udp" else TcpTransport
        return kind(self.url.host, self.url.port, timeout=self.settings.connect_timeout)

    def opener(self) -> Opener | None:
        """Return what opens the connection of the asyncio driver where it is not TCP."""
        if self.url.transport == "tcp":
            return None
        from functools import partial

        if self.url.serial is not None:
            from cosem.io.serial import open_serial

            return partial(open_serial, self.url.serial.path, self._line)
        from cosem.io.udp import open_udp

        return partial(open_udp, self.url.host, self.url.port)

    @property
    def repeats(self) -> int:
        """How often opening an association is tried anew after silence: UDP loses datagrams, TCP does not."""
        return self.options.retries if self.url.transport == "udp" else 0

    def lease(self, count: int) -> tuple[int, int]:
        """Persist and return a block of invocation counters."""
        return self._store().lease(self.counter_name(), count, self.counter_floor)

    def _store(self) -> CounterStore:
        from cosem.io.counterstore import FileCounterStore

        if self._counters is None or isinstance(self._counters, (str, os.PathLike)):
            self._counters = FileCounterStore(self._counters)
        return self._counters

    def counter_name(self) -> str:
        """Return under which name the store keeps the invocation counter of the keys of now."""
        return counter_name(self.settings.system_title, self.device.keys.global_unicast_encryption_key)

    def core(self) -> Core:
        """Return the conversations of a new machine."""
        return self._core(self.settings)

    def _core(self, settings: AssociationSettings) -> Core:
        kind = Core
        if settings.referencing == "sn":
            from cosem.client.short_names import ShortNameCore

            kind = ShortNameCore
        core = kind(Initiator(self.link(), settings), os.urandom, self.options)
        if self.url.serial is not None:
            core.no_meeting = self.url.serial.no_meeting
        return core

    def public_core(self) -> Core:
        """Return those of the public client, which reads the invocation counter."""
        settings = AssociationSettings(
            client_sap=PUBLIC_CLIENT,
            server_sap=self.url.server,
            physical=self.url.physical,
            max_pdu_size=self.options.max_pdu_size,
            response_timeout=self.settings.response_timeout,
            connect_timeout=self.settings.connect_timeout,
            tolerances=self.settings.tolerances,
            referencing=self.url.referencing,
        )
        return self._core(settings)


def counter_name(system_title: bytes, key: bytes | None) -> str:
    """A counter belongs to a key and a sender. The key is named by a digest that tells nothing about it."""
    import hashlib

    digest = hashlib.sha256(b"cosem invocation counter" + (key or b"")).hexdigest()[:16]
    return f"{system_title.hex()}-{digest}"


def hdlc_parameters(url: MeterUrl) -> HdlcParameters:
    """Return what a client asks for in SNRM."""
    from cosem.link.hdlc.parameters import HdlcParameters

    return HdlcParameters(url.information, url.information, url.window, url.window)


def client_link(url: MeterUrl, tolerances: Tolerances = TOLERANT) -> Link:
    """Return the link of a client, or of a listener, for a URL's framing."""
    if url.framing == "hdlc":
        from cosem.link.hdlc.link import HdlcLink

        return HdlcLink(parameters=hdlc_parameters(url), tolerances=tolerances, server_address_size=url.address_size)
    if url.framing == "mbus":
        from cosem.link.mbus_frame import MbusLink

        return MbusLink(tolerances=tolerances)
    from cosem.link.wrapper import DatagramWrapperLink, WrapperLink

    return (DatagramWrapperLink if url.transport == "udp" else WrapperLink)(tolerances=tolerances)


def _opened(core: Core, repeats: int) -> Generator[Step, Any, None]:
    """Open the association, `repeats` times anew after silence: opening twice does no harm."""
    while True:
        try:
            yield from core.open()
        except Timeout:
            if repeats <= 0:
                raise
            repeats -= 1
        else:
            return


def read_counter(core: Core, name: str, repeats: int = 0) -> Generator[Step, Any, int]:
    """Read an invocation-counter object over the public association and return what must be sent at least."""
    yield from _opened(core, repeats)
    try:
        data = yield from core.get_data(1, Obis.parse(name), 2)
    finally:
        yield from core.close()
    if type(data.value) is not int:
        raise ConfigError(f"{name} holds no number: it is no invocation counter")
    return data.value + 1


def open_meter(plan: Plan, core: Core) -> Generator[Step, Any, None]:
    """Associate; a meter that names the counter it wants gets it, once."""
    block = plan.settings.block
    if block is not None and block[0] < plan.counter_floor:
        plan.settings.block = None
    try:
        yield from _opened(core, plan.repeats)
    except ExceptionResponseReceived as error:
        if error.service_error != COUNTER_ERROR or not error.invocation_counter:
            raise
        plan.counter_floor = error.invocation_counter
        yield from _opened(core, plan.repeats)
