"""The one tree of errors. Everything `cosem` raises on purpose is a `CosemError`.

Texts say what is wrong and where, and never contain a key, a password or plain text that was protected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cosem.results import ActionResult, DataAccessResult


class CosemError(Exception):
    """Root of every error that `cosem` declares."""


class ConfigError(CosemError):
    """What the user wrote is wrong: a URL, a key file, an OBIS code, a setting. One sentence names the mistake."""


class DecodeError(CosemError):
    """Octets that do not mean what they should.

    `what` says what is wrong, `offset` counts octets in the buffer given to the decoder, `path` names the nested
    elements from the outside in, for example ``("get-response-normal", "result", "structure[2]")``.
    """

    def __init__(self, what: str, offset: int = 0, path: tuple[str, ...] = ()) -> None:
        super().__init__(what, offset, path)
        self.what = what
        self.offset = offset
        self.path = path

    def within(self, name: str, offset: int = 0) -> DecodeError:
        """Return the same error as seen from the element around it, which starts `offset` octets earlier."""
        return type(self)(self.what, self.offset + offset, (name, *self.path))

    def __str__(self) -> str:
        where = f" in {' > '.join(self.path)}" if self.path else ""
        return f"{self.what} at octet {self.offset}{where}"


class IncompleteError(DecodeError):
    """The octets so far are the beginning of something valid: wait for more."""


class EncodeError(CosemError):
    """A value that has no encoding in the type asked for. `path` as in `DecodeError`."""

    def __init__(self, what: str, path: tuple[str, ...] = ()) -> None:
        super().__init__(what, path)
        self.what = what
        self.path = path

    def within(self, name: str) -> EncodeError:
        """Return the same error as seen from the element around it."""
        return type(self)(self.what, (name, *self.path))

    def __str__(self) -> str:
        where = f" in {' > '.join(self.path)}" if self.path else ""
        return f"{self.what}{where}"


class ProtocolError(CosemError):
    """The conversation cannot go on as asked."""


class LocalProtocolError(ProtocolError):
    """Our own side asked for what the state does not allow (for example a GET before the association)."""


class RemoteProtocolError(ProtocolError):
    """The peer sent what the state does not allow, or refused."""


class AssociationRejected(RemoteProtocolError):
    """AARE with a result other than accepted. `result` 1 permanent, 2 transient; `diagnostic` is the ACSE code.

    `source` is ``"user"`` or ``"provider"``; `detail` holds the words for both.
    """

    def __init__(self, detail: str, result: int, source: str, diagnostic: int) -> None:
        super().__init__(detail)
        self.result = result
        self.source = source
        self.diagnostic = diagnostic


class ExceptionResponseReceived(RemoteProtocolError):
    """The peer answered with an exception-response (Green Book 9.5, tag D8)."""

    def __init__(self, state_error: int, service_error: int, invocation_counter: int | None = None) -> None:
        from cosem.results import ExceptionServiceError, ExceptionStateError

        text = f"{ExceptionStateError.words(state_error)}, {ExceptionServiceError.words(service_error)}"
        if invocation_counter is not None:
            text += f" (the smallest counter it accepts is {invocation_counter})"
        super().__init__(f"exception-response: {text}")
        self.state_error = state_error
        self.service_error = service_error
        self.invocation_counter = invocation_counter


class ServiceErrorReceived(RemoteProtocolError):
    """The peer answered with a confirmed-service-error (tag 0E)."""

    def __init__(self, service: str, error_class: str, error: int, words: str) -> None:
        super().__init__(f"confirmed-service-error on {service}: {error_class} {words}")
        self.service = service
        self.error_class = error_class
        self.error = error


class MeterRefused(RemoteProtocolError):
    """A M-Bus meter answered with an application error; `code` is None where it named no reason."""

    def __init__(self, meter: str, code: int | None, words: str) -> None:
        super().__init__(f"{meter} refuses: {words}")
        self.code = code


class SecurityError(CosemError):
    """Protection that cannot be given or is refused."""


class TagMismatch(SecurityError):
    """The authentication tag is wrong: wrong key, wrong title, or altered octets. Which one cannot be told."""


class InvocationCounterError(SecurityError):
    """A counter that was used before. `received` is refused, `smallest` would be accepted."""

    def __init__(self, received: int, smallest: int) -> None:
        super().__init__(f"invocation counter {received} refused: the smallest acceptable is {smallest}")
        self.received = received
        self.smallest = smallest


class CounterExhausted(SecurityError):
    """The sending counter has reached its end: the key must be changed before anything is sent under it."""


class PolicyViolation(SecurityError):
    """Something came with less protection than this association demands, or under a key set it may not use."""


class WeakProtection(PolicyViolation):
    """Something came with less protection than is demanded; nothing says that anybody tried a key."""


class KeyMissing(SecurityError):
    """A key, password or title that is needed was not given. The text names which, never its content."""


class HlsFailed(SecurityError):
    """The peer's proof of high level security is wrong or is a reflection of our own."""


class AccessError(CosemError):
    """A GET, SET or ACTION on one attribute or method ended in another result than success.

    `result` is the member of `DataAccessResult` or `ActionResult`; `target` says which object, in words.
    """

    def __init__(self, result: DataAccessResult | ActionResult | int, target: str = "") -> None:
        name = getattr(result, "name", "unknown")  # a code of a later edition is a plain integer
        words = name.lower().replace("_", "-")
        super().__init__(f"{target}: {words} ({int(result)})" if target else f"{words} ({int(result)})")
        self.result = result
        self.target = target


class ImageTransferFailed(CosemError):
    """An image that the meter refuses, or that does not get through. `status` is the last image_transfer_status."""

    def __init__(self, what: str, status: int | None = None) -> None:
        super().__init__(what)
        self.status = status


class Timeout(CosemError):
    """No answer in time. `diagnosis` says in words at which layer it is silent, what was tried, what to try next."""

    def __init__(self, what: str, diagnosis: str = "") -> None:
        super().__init__(f"{what}. {diagnosis}" if diagnosis else what)
        self.what = what
        self.diagnosis = diagnosis


class ConnectionLost(CosemError):
    """The link died. What was already read stands in the error or in the sink of the call that was under way."""


class Cancelled(CosemError):
    """The conversation was cancelled by its own side."""


class GasError(CosemError):
    """What a gas equation cannot compute with: a state, a composition, inputs that contradict one another."""


class CompositionError(GasError):
    """A gas composition or quality that is none. `components` names those it is about, where there are any."""

    def __init__(self, what: str, components: tuple[str, ...] = ()) -> None:
        super().__init__(what)
        self.components = components


class NoSolution(GasError):
    """An equation that has no solution for this gas in this state: too far outside what it was made for."""
