"""M-Bus telegrams explained: header, records, reports and series of each, as the document of ``cosem mbus decode``.

`explain_mbus` takes what people have (hex, lines of a receiver, captures); `MBusExplainer` takes frames one by one, as
they come. Nothing is raised for octets: what went wrong stands in the answer, beside what was understood.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cosem.errors import DecodeError, IncompleteError, KeyMissing, SecurityError, WeakProtection
from cosem.explain.keyring import KeyEntry, Keyring
from cosem.explain.mbus_document import MBusExplanation, TelegramExplained, header_of_fixed
from cosem.explain.mbus_input import Item, line_size, octets_in, telegrams_in
from cosem.explain.tree import Failure
from cosem.link.mbus_frame import build, parse_at
from cosem.mbus.afl import FragmentJoiner
from cosem.mbus.ci import Content, meaning
from cosem.mbus.compact import UnknownFormat, decode_compact, decode_format, format_signature, headers_of
from cosem.mbus.dlms import Carried, DlmsJoiner
from cosem.mbus.fixed import FixedData
from cosem.mbus.header import decode_header
from cosem.mbus.keys import KeysOf, KeyStore
from cosem.mbus.link_fields import wired_control_name
from cosem.mbus.record import RecordError, Records, decode_records
from cosem.mbus.relays import Received, Relay
from cosem.mbus.reports import AlarmReport, ApplicationError
from cosem.mbus.telegram import State, Telegram, decode, decode_headers, decode_joined, decode_message, is_wired
from cosem.mbus.wireless import Address, Format, decode_frame
from cosem.security.keys import Keys

MAX_FORMATS = 4096
"""Formats of compact frames that are remembered; a peer that sends ever new ones makes them forgotten."""
NO_HEADER_CI = 0x78
"""Records without a header."""
SLAVE_SAYS = 0x08
"""C of an answer on the wire (RSP_UD)."""


def no_keys(address: Address) -> None:
    """Return no key for anybody."""


def one_key(key: bytes) -> KeysOf:
    """Return `key` for every meter: for whoever has a telegram and its key alone."""
    return lambda address: key


def by_number(keys: Mapping[str, bytes]) -> KeysOf:
    """Return keys by the identification number of meters, eight digits."""
    return lambda address: keys.get(address.number)


def explain_mbus(
    source: str | bytes | Iterable[Item],
    *,
    keys: KeysOf = no_keys,
    already_decrypted: bool = False,
    keyring: Keyring | None = None,
) -> MBusExplanation:
    """Explain every telegram in `source`; what one tells (formats, fragments, pieces) serves those behind it.

    `already_decrypted`: a relay has deciphered the telegrams and left their headers. `keyring` opens DLMS/COSEM inside.
    """
    explainer = MBusExplainer(keys, already_decrypted=already_decrypted, keyring=keyring)
    items = telegrams_in(source) if isinstance(source, (str, bytes)) else source
    frames: list[TelegramExplained] = []
    for item in items:
        said = explainer.take(item)
        if frames and frames[-1].continues_with(said):
            frames[-1].join(said)
        else:
            frames.append(said)
    explainer.finish(frames)
    return MBusExplanation(frames)


def explain_application(
    source: str | bytes, *, records_alone: bool = False, already_decrypted: bool = True
) -> MBusExplanation:
    """Explain what no frame is around: a message that begins with CI, or records alone; hex in text, or octets."""
    octets = octets_in(source)
    if octets is None:
        return MBusExplanation([TelegramExplained(b"").fail(DecodeError("this is no hex", 0), "input")])
    ci = NO_HEADER_CI if records_alone else None
    if ci is not None:
        octets = bytes((ci,)) + octets
    explainer = MBusExplainer(already_decrypted=already_decrypted)
    said = TelegramExplained(octets, reached="tpl")
    try:
        said.telegram = decode_message(octets, already_decrypted=already_decrypted)
    except (DecodeError, SecurityError) as error:
        return MBusExplanation([said.fail(error, "tpl")])
    explainer.read(said)
    explainer.finish([said])
    return MBusExplanation([said])


def explain_answer(
    telegrams: Iterable[tuple[int, bytes]],
    *,
    keys: KeysOf = no_keys,
    address: int = 0,
    meter: Address | None = None,
) -> TelegramExplained:
    """Explain what a meter on the wire answered: CI and the octets behind it of each telegram, joined to one.

    `meter`: who was asked, for answers that do not say whose they are. Raises `DecodeError` where there is no telegram.
    """
    explainer = MBusExplainer(keys, meter=meter)
    answer: TelegramExplained | None = None
    for ci, octets in telegrams:
        said = explainer.take(Received(build(SLAVE_SAYS, address, ci, octets), Relay.HEX))
        if answer is None:
            answer = said
        else:
            answer.join(said)
    if answer is None:
        raise DecodeError("no telegram was answered")
    explainer.finish([answer])
    return answer


class MBusExplainer:
    """Explains frames in the order they come. With `store` (instead of `keys`) the counters of meters are remembered:
    repetitions are refused. Without one each frame stands for itself, and a capture may say everything twice."""

    def __init__(
        self,
        keys: KeysOf = no_keys,
        *,
        already_decrypted: bool = False,
        keyring: Keyring | None = None,
        store: KeyStore | None = None,
        meter: Address | None = None,
    ) -> None:
        self.formats: dict[int, bytes] = {}
        self._keys = KeyStore(ask=keys).onlooker() if store is None else store
        self._already_decrypted = already_decrypted
        self._keyring = keyring or Keyring()
        self._meter = meter
        self._fragments = FragmentJoiner()
        self._pieces = DlmsJoiner()

    def take(self, item: Item, now: float = 0.0) -> TelegramExplained:
        """Explain a frame. `now`: seconds, for fragments whose rest no longer comes."""
        if isinstance(item, DecodeError):
            return TelegramExplained(b"").fail(item, "input")
        said = TelegramExplained(item.frame, item)
        try:
            telegram = self._open(said, item.frame, item.form, now)
        except (DecodeError, SecurityError) as error:
            return said.fail(error, said.layer_of(error))
        if telegram is not None:
            said.telegram = telegram
            self._content(said, telegram, now)
        return said

    def read(self, said: TelegramExplained, now: float = 0.0) -> None:
        """Read the application of a telegram that was opened elsewhere."""
        if said.telegram is not None:
            self._content(said, said.telegram, now)

    def finish(self, frames: list[TelegramExplained]) -> None:
        """Say of the last frame that others are missing behind it, where they are."""
        last = frames[-1] if frames else None
        if last is not None and last.error is None and last.waits:
            last.fail(IncompleteError(f"{last.waits} are still missing", len(last.frame)), last.waiting_layer)

    # --- opening -----------------------------------------------------------------------------------------------

    def _open(self, said: TelegramExplained, frame: bytes, form: Format | None, now: float) -> Telegram | None:
        """Return the telegram in clear, or as it is where no key is known; None while fragments are missing."""
        if frame and line_size(frame) == len(frame):
            said.reached = "mbus-link"
            said.more["link_frame"] = _line_frame(frame)
            return None
        said.reached = "tpl"
        try:
            shut = decode_headers(frame, form=form)
        except DecodeError:
            said.reached = _where(frame, form)
            raise
        if shut.sender is None and self._meter is not None:
            shut = shut._replace(sender=self._meter)
        said.telegram = shut
        if shut.state is State.CLEAR and not self._knows(shut):
            return shut
        try:
            telegram = decode(
                frame, form=form, keys=self._keys, already_decrypted=self._already_decrypted, meter=self._meter
            )
        except KeyMissing as error:
            if self._knows(shut):
                raise
            said.note = str(error)
            return shut
        if telegram.state is not State.FRAGMENT or telegram.afl is None:
            return telegram
        said.telegram = telegram
        said.reached = "afl"
        sender = b"" if telegram.sender is None else telegram.sender.link
        joined = self._fragments.take(sender, telegram.afl, telegram.application, now)
        if joined is None:
            said.waits, said.waiting_layer = "fragments", "afl"
            return None
        said.reached = "tpl"
        return self._joined(said, telegram, joined)

    def _joined(self, said: TelegramExplained, telegram: Telegram, joined: Any) -> Telegram:
        message = joined.message
        ci = message[0] if message else 0
        header = decode_header(meaning(ci).header, message, 1, wired=False)[0]
        try:
            return decode_joined(joined, telegram, keys=self._keys, already_decrypted=self._already_decrypted)
        except KeyMissing as error:
            if any(self._keys.knows(address) for address in (header.address, telegram.sender)):
                raise
            said.note = str(error)
            clear = decode_message(message, meter=telegram.sender, afl=joined.layer, already_decrypted=True)
            return clear._replace(state=State.SEALED)

    def _knows(self, telegram: Telegram) -> bool:
        """Say whether somebody gave a key for the meter of a telegram."""
        return self._keys.knows(telegram.header.address) or self._keys.knows(telegram.sender)

    # --- contents ----------------------------------------------------------------------------------------------

    def _content(self, said: TelegramExplained, telegram: Telegram, now: float) -> None:
        """Read the application of a telegram that is open, or say that it is not."""
        if telegram.state is State.SEALED:
            return
        said.reached = "apl"
        content, octets = said.content, telegram.application
        try:
            if content is Content.RECORDS:
                self._records(said, decode_records(octets))
            elif content is Content.FIXED:
                said.fixed = self._believed(FixedData.from_octets(octets))
                said.header_fields = header_of_fixed(said.fixed)
            elif content is Content.COMPACT:
                self._compact(said, octets)
            elif content is Content.FORMAT:
                signature, headers = decode_format(octets)
                self._learn(signature, headers)
                said.more["format"] = {"signature": f"{signature:04x}", "headers": headers.hex()}
            elif content is Content.ERROR:
                report = ApplicationError.from_octets(octets)
                said.more["application_error"] = {"code": report.code, "words": report.words}
                if report.details:
                    said.more["application_error"]["details"] = report.details.hex()
            elif content is Content.ALARM:
                alarm = AlarmReport.from_octets(octets)
                said.more["alarm"] = {"state": alarm.state.hex(), "bits": list(alarm.bits)}
            elif content in (Content.DLMS, Content.DLMS_PIECE):
                self._dlms(said, telegram, now)
            elif octets:
                said.more["application"] = octets.hex()
        except RecordError as error:
            said.records = error.before
            said.fail(error, "apl")
        except (DecodeError, WeakProtection) as error:
            said.fail(error, "apl")

    def _records(self, said: TelegramExplained, records: Records) -> None:
        said.records = records
        if records.records:
            headers = headers_of(records)
            self._learn(format_signature(headers), headers)

    def _believed(self, data: FixedData) -> FixedData:
        """Return a fixed structure, which nothing protects, unless its meter has a key."""
        if not self._already_decrypted and self._keys.knows(Address(b"\xff\xff", data.identification, 0xFF, 0xFF)):
            number = data.identification_number
            raise WeakProtection(f"meter {number} has a key, and this telegram came in clear")
        return data

    def _compact(self, said: TelegramExplained, octets: bytes) -> None:
        try:
            said.records = decode_compact(octets, self.formats)
        except UnknownFormat as error:
            # Nothing is wrong with the frame: its values have no names until somebody sends the headers.
            said.more["compact"] = {
                "signature": f"{error.signature:04x}",
                "full_frame_crc": octets[2:4][::-1].hex(),
                "data": octets[4:].hex(),
            }
            said.note = f"{error.what}: a full frame or a format frame of this meter in front of it tells them"

    def _learn(self, signature: int, headers: bytes) -> None:
        if len(self.formats) >= MAX_FORMATS:
            self.formats.clear()
        self.formats[signature] = headers

    def _dlms(self, said: TelegramExplained, telegram: Telegram, now: float) -> None:
        whole, _ = self._pieces.take(telegram, now)
        if whole is None:
            said.waits, said.waiting_layer = "pieces", "dlms"
            return
        self._apdu(said, whole)

    def _apdu(self, said: TelegramExplained, whole: Carried) -> None:
        from cosem.explain.decode import explain

        answer = explain(whole.apdu, keyring=self._keyring, kind="apdu")
        document = answer.to_json()
        failed = document.pop("error", None)
        said.more["dlms"] = {"stsap": whole.stsap, "dtsap": whole.dtsap}
        said.more |= {"layers": document["layers"], "value": document.get("value")}
        said.apdu = answer
        if failed is not None:
            said.error = Failure(failed["what"], failed["offset"], failed["layer"])


def _where(frame: bytes, form: Format | None) -> str:
    """Return the layer in which a frame goes wrong: its link, or what stands inside."""
    wired = is_wired(frame)
    try:
        if wired:
            parse_at(frame)
        else:
            decode_frame(frame, form)
    except DecodeError:
        return "mbus-link" if wired else "wmbus-link"
    return "tpl"


def _line_frame(frame: bytes) -> dict[str, Any]:
    """Return what a frame says that has no CI: an acknowledge, or a master's short frame."""
    if len(frame) == 1:
        return {"kind": "acknowledge"}
    return {"kind": "short", "c": frame[1], "c_name": wired_control_name(frame[1]), "a": frame[2]}


def keyring_of(key: bytes) -> Keyring:
    """Return a keyring that opens DLMS/COSEM inside of telegrams with one key, whose authenticity nothing proves."""
    return Keyring((KeyEntry("--key", Keys(global_unicast_encryption_key=key), verify=False),))
