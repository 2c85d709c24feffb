"""What can happen to a meter, in names of no companion standard: events, alarms and counters are mapped from these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final


class Cause(Enum):
    """Something that happened. The values are words for people; a companion profile gives each its event code."""

    # Power and clock.
    POWER_DOWN = "power down"
    POWER_UP = "power up"
    LAST_GASP = "last gasp"
    DAYLIGHT_SAVING_CHANGED = "daylight saving begins or ends"
    CLOCK_ADJUSTED_FROM = "clock adjusted, old time"
    CLOCK_ADJUSTED_TO = "clock adjusted, new time"
    CLOCK_INVALID = "clock invalid"
    CLOCK_SET_BACK = "clock set back"
    BATTERY_LOW = "battery must be replaced"
    BATTERY_VOLTAGE_LOW = "battery voltage low"
    BATTERY_REPLACED = "battery replaced"
    # Settings and registers.
    TARIFF_ACTIVATED = "passive calendar activated"
    CALENDAR_WRITTEN = "passive calendar written"
    PARAMETER_CHANGED = "parameter changed"
    ERROR_REGISTER_CLEARED = "error register cleared"
    ALARM_REGISTER_CLEARED = "alarm register cleared"
    LOG_CLEARED = "event log cleared"
    PROFILE_CLEARED = "load profile cleared"
    BILLING_RESET = "billing period reset"
    # Faults inside.
    PROGRAM_MEMORY_ERROR = "program memory error"
    RAM_ERROR = "RAM error"
    NV_MEMORY_ERROR = "non-volatile memory error"
    WATCHDOG_ERROR = "watchdog error"
    MEASUREMENT_ERROR = "measurement system error"
    # Firmware.
    IMAGE_READY = "firmware ready for activation"
    IMAGE_ACTIVATED = "firmware activated"
    IMAGE_VERIFICATION_FAILED = "firmware verification failed"
    # Fraud.
    TERMINAL_COVER_OPENED = "terminal cover removed"
    TERMINAL_COVER_CLOSED = "terminal cover closed"
    METER_COVER_OPENED = "meter cover removed"
    METER_COVER_CLOSED = "meter cover closed"
    STRONG_FIELD = "strong magnetic field detected"
    STRONG_FIELD_GONE = "no strong magnetic field any more"
    AUTHENTICATION_FAILED = "association authentication failure (n times)"
    DECRYPTION_FAILED = "decryption or authentication failure (n times)"
    REPLAY = "replay attack"
    CURRENT_BYPASS = "current without voltage, or past the meter"
    UNEXPECTED_CONSUMPTION = "unexpected consumption"
    CURRENT_BYPASS_GONE = "current goes through the meter again"
    CURRENT_REVERSAL = "current reversal"
    CURRENT_REVERSAL_GONE = "current flows as it should again"
    # Keys and associations.
    KEY_CHANGED = "global key changed"
    SECRET_CHANGED = "password or secret changed"  # noqa: S105
    COUNTER_NEAR_END = "invocation counter near its end"
    LOCKED_OUT = "access locked after repeated failures"
    # Power quality.
    VOLTAGE_MISSING_L1 = "voltage missing L1"
    VOLTAGE_MISSING_L2 = "voltage missing L2"
    VOLTAGE_MISSING_L3 = "voltage missing L3"
    VOLTAGE_NORMAL_L1 = "voltage normal L1"
    VOLTAGE_NORMAL_L2 = "voltage normal L2"
    VOLTAGE_NORMAL_L3 = "voltage normal L3"
    UNDERVOLTAGE_L1 = "undervoltage (sag) L1"
    UNDERVOLTAGE_L2 = "undervoltage (sag) L2"
    UNDERVOLTAGE_L3 = "undervoltage (sag) L3"
    OVERVOLTAGE_L1 = "overvoltage (swell) L1"
    OVERVOLTAGE_L2 = "overvoltage (swell) L2"
    OVERVOLTAGE_L3 = "overvoltage (swell) L3"
    PHASE_SEQUENCE_REVERSED = "wrong phase sequence"
    PHASE_SEQUENCE_RIGHT = "right phase sequence again"
    NEUTRAL_MISSING = "missing neutral"
    NEUTRAL_PRESENT = "neutral present again"
    PHASE_ASYMMETRY = "phase asymmetry"
    PHASE_ASYMMETRY_GONE = "phases symmetric again"
    # Disconnector and limiter.
    DISCONNECTOR_READY = "disconnector ready for manual reconnection"
    MANUAL_DISCONNECTION = "manual disconnection"
    MANUAL_CONNECTION = "manual connection"
    REMOTE_DISCONNECTION = "remote disconnection"
    REMOTE_CONNECTION = "remote connection"
    LOCAL_DISCONNECTION = "local disconnection"
    LOCAL_CONNECTION = "local connection"
    LIMITER_EXCEEDED = "limiter threshold exceeded"
    LIMITER_OK = "limiter threshold ok"
    LIMITER_CHANGED = "limiter threshold changed"
    LIMITER_WARNING = "limiter threshold exceeded, disconnection follows"
    LIMITER_GAVE_UP = "limiter reconnects no more by itself"
    SUPERVISION_EXCEEDED = "supervision monitor exceeded"
    SUPERVISION_OK = "supervision monitor ok"
    DISCONNECTION_FAILED = "disconnect or reconnect failure"
    # Communication.
    MODEM_RESET = "modem reset"
    MODEM_CONNECTED = "connected to the network"
    MODEM_LOST = "connection to the network lost"
    LOCAL_COMMUNICATION = "local communication attempt"
    PUSH_FAILED = "push failed"
    # Devices on the M-Bus; `channel` tells which.
    MBUS_COMMUNICATION_LOST = "M-Bus device does not answer"
    MBUS_COMMUNICATION_OK = "M-Bus device answers again"
    MBUS_BATTERY_LOW = "battery of the M-Bus device must be replaced"
    MBUS_BATTERY_OK = "battery of the M-Bus device is good again"
    MBUS_FRAUD = "fraud attempt at the M-Bus device"
    MBUS_FRAUD_OVER = "fraud attempt at the M-Bus device is over"
    MBUS_CLOCK_ADJUSTED = "clock of the M-Bus device adjusted"
    MBUS_NEW_DEVICE = "new M-Bus device"
    MBUS_DEVICE_GONE = "M-Bus device given up"
    MBUS_PERMANENT_ERROR = "permanent error of the M-Bus device"
    MBUS_PERMANENT_ERROR_OVER = "M-Bus device works again"
    MBUS_MANUAL_DISCONNECTION = "valve closed by hand"
    MBUS_MANUAL_CONNECTION = "valve opened by hand"
    MBUS_REMOTE_DISCONNECTION = "valve closed by command"
    MBUS_REMOTE_CONNECTION = "valve opened by command"
    MBUS_LOCAL_DISCONNECTION = "valve closed by the meter"
    MBUS_LOCAL_CONNECTION = "valve opened by the meter"
    MBUS_VALVE_ALARM = "valve does not move"
    MBUS_VALVE_OK = "valve moves again"
    # Payment.
    CREDIT_LOW = "credit low"
    CREDIT_EXHAUSTED = "credit exhausted"
    EMERGENCY_CREDIT_SELECTED = "emergency credit selected"
    CREDIT_ADDED = "credit added"
    TOKEN_REFUSED = "token refused"  # noqa: S105
    # Gas: what a converter notices of its inputs, and what is done to it.
    GAS_PRESSURE_FAILED = "gas pressure unusable, substitute value in use"
    GAS_PRESSURE_OK = "gas pressure measured again"
    GAS_TEMPERATURE_FAILED = "gas temperature unusable, substitute value in use"
    GAS_TEMPERATURE_OK = "gas temperature measured again"
    GAS_INPUT_FAILED = "input of the gas meter failed"
    GAS_INPUT_OK = "input of the gas meter works again"
    GAS_FLOW_EXCEEDED = "gas flow beyond the largest"
    GAS_FLOW_OK = "gas flow within its limit again"
    GAS_QUALITY_SUBSTITUTED = "no valid gas quality, substitute in use"
    GAS_QUALITY_VALID = "gas quality valid again"
    GAS_COMPRESSIBILITY_FAILED = "compressibility cannot be computed, last value in use"
    GAS_COMPRESSIBILITY_OK = "compressibility computed again"
    GAS_RANGE_LEFT = "gas or its state outside of the range of the method"
    GAS_RANGE_OK = "gas and its state within the range of the method again"
    GAS_QUALITY_CHANGED = "gas quality changed"
    GAS_QUALITY_LATE = "gas quality came late, in force from now on"
    GAS_QUALITY_DOUBLED = "gas quality came twice, nothing changed"
    GAS_QUALITY_REFUSED = "gas quality refused"
    GAS_CONSUMPTION_EXCEEDED = "contracted gas consumption exceeded"
    GAS_CONSUMPTION_OK = "gas consumption within its contract again"
    ANALYSIS_FAILED = "gas analysis failed"
    ANALYSIS_OK = "gas analysis works again"
    SENSOR_EXCHANGED = "sensor exchanged"
    LOCK_OPENED = "lock opened"
    LOCK_CLOSED = "lock closed"
    LOCK_REFUSED = "wrong code for a lock"
    WRITE_LOCKED = "write refused, its lock is closed"
    SEAL_BROKEN = "seal broken"
    SEAL_SET = "seal set"
    CERTIFICATION_LOG_FULL = "certification data log full"
    CERTIFICATION_LOG_CLEARED = "certification data log cleared"
    STATUS_CLEARED = "status register cleared"
    TIME_SHIFT_REFUSED = "clock not set, beyond the time shift that is left"
    DATA_RESTORED = "data restored"


ENDED_BY: Final[dict[Cause, frozenset[Cause]]] = {
    begun: frozenset(over)
    for begun, *over in (
        (Cause.BATTERY_LOW, Cause.BATTERY_REPLACED),
        (Cause.BATTERY_VOLTAGE_LOW, Cause.BATTERY_REPLACED),
        (Cause.TERMINAL_COVER_OPENED, Cause.TERMINAL_COVER_CLOSED),
        (Cause.METER_COVER_OPENED, Cause.METER_COVER_CLOSED),
        (Cause.STRONG_FIELD, Cause.STRONG_FIELD_GONE),
        (Cause.CURRENT_BYPASS, Cause.CURRENT_BYPASS_GONE),
        (Cause.CURRENT_REVERSAL, Cause.CURRENT_REVERSAL_GONE),
        (Cause.PHASE_SEQUENCE_REVERSED, Cause.PHASE_SEQUENCE_RIGHT),
        (Cause.NEUTRAL_MISSING, Cause.NEUTRAL_PRESENT),
        (Cause.PHASE_ASYMMETRY, Cause.PHASE_ASYMMETRY_GONE),
        (Cause.GAS_PRESSURE_FAILED, Cause.GAS_PRESSURE_OK),
        (Cause.GAS_TEMPERATURE_FAILED, Cause.GAS_TEMPERATURE_OK),
        (Cause.GAS_INPUT_FAILED, Cause.GAS_INPUT_OK),
        (Cause.GAS_FLOW_EXCEEDED, Cause.GAS_FLOW_OK),
        (Cause.GAS_QUALITY_SUBSTITUTED, Cause.GAS_QUALITY_VALID),
        (Cause.GAS_COMPRESSIBILITY_FAILED, Cause.GAS_COMPRESSIBILITY_OK),
        (Cause.GAS_RANGE_LEFT, Cause.GAS_RANGE_OK),
        (Cause.GAS_CONSUMPTION_EXCEEDED, Cause.GAS_CONSUMPTION_OK),
        (Cause.ANALYSIS_FAILED, Cause.ANALYSIS_OK),
        (Cause.LOCK_OPENED, Cause.LOCK_CLOSED),
        (Cause.SEAL_BROKEN, Cause.SEAL_SET),
        (Cause.CERTIFICATION_LOG_FULL, Cause.CERTIFICATION_LOG_CLEARED),
        (Cause.VOLTAGE_MISSING_L1, Cause.VOLTAGE_NORMAL_L1, Cause.UNDERVOLTAGE_L1, Cause.OVERVOLTAGE_L1),
        (Cause.VOLTAGE_MISSING_L2, Cause.VOLTAGE_NORMAL_L2, Cause.UNDERVOLTAGE_L2, Cause.OVERVOLTAGE_L2),
        (Cause.VOLTAGE_MISSING_L3, Cause.VOLTAGE_NORMAL_L3, Cause.UNDERVOLTAGE_L3, Cause.OVERVOLTAGE_L3),
        (Cause.UNDERVOLTAGE_L1, Cause.VOLTAGE_NORMAL_L1, Cause.VOLTAGE_MISSING_L1, Cause.OVERVOLTAGE_L1),
        (Cause.UNDERVOLTAGE_L2, Cause.VOLTAGE_NORMAL_L2, Cause.VOLTAGE_MISSING_L2, Cause.OVERVOLTAGE_L2),
        (Cause.UNDERVOLTAGE_L3, Cause.VOLTAGE_NORMAL_L3, Cause.VOLTAGE_MISSING_L3, Cause.OVERVOLTAGE_L3),
        (Cause.OVERVOLTAGE_L1, Cause.VOLTAGE_NORMAL_L1, Cause.VOLTAGE_MISSING_L1, Cause.UNDERVOLTAGE_L1),
        (Cause.OVERVOLTAGE_L2, Cause.VOLTAGE_NORMAL_L2, Cause.VOLTAGE_MISSING_L2, Cause.UNDERVOLTAGE_L2),
        (Cause.OVERVOLTAGE_L3, Cause.VOLTAGE_NORMAL_L3, Cause.VOLTAGE_MISSING_L3, Cause.UNDERVOLTAGE_L3),
        (Cause.MBUS_COMMUNICATION_LOST, Cause.MBUS_COMMUNICATION_OK, Cause.MBUS_DEVICE_GONE),
        (Cause.MBUS_BATTERY_LOW, Cause.MBUS_BATTERY_OK, Cause.MBUS_DEVICE_GONE),
        (Cause.MBUS_FRAUD, Cause.MBUS_FRAUD_OVER, Cause.MBUS_DEVICE_GONE),
        (Cause.MBUS_PERMANENT_ERROR, Cause.MBUS_PERMANENT_ERROR_OVER, Cause.MBUS_DEVICE_GONE),
        (Cause.MBUS_VALVE_ALARM, Cause.MBUS_VALVE_OK, Cause.MBUS_DEVICE_GONE),
    )
}
"""What lasts, and what says that it is over. While it lasts it does not happen once more."""
WHICH: Final = ("channel", "phase", "monitor", "lock")
"""Details that tell several things of one kind apart."""


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened: when (seconds of UTC by the meter's own clock), and what belongs to it."""

    cause: Cause
    at: int
    details: Mapping[str, object] = field(default_factory=dict)

    @property
    def which(self) -> tuple[object, ...]:
        """Return which of several things of one kind it is about."""
        return tuple(self.details.get(name) for name in WHICH)


class Causes:
    """Who is told what happens in one device. Nobody is told of something that one of them causes before it is over."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._waiting: list[Happening] = []
        self._telling = False
        self.listeners: list[Callable[[Happening], None]] = []

    def note(self, cause: Cause, *, at: int | None = None, **details: object) -> None:
        """Tell every listener. `at` is the moment by the meter's clock where it is not the present."""
        self._waiting.append(Happening(cause, self._now() if at is None else at, details))
        if self._telling:
            return
        self._telling = True
        try:
            while self._waiting:
                happening = self._waiting.pop(0)
                for listener in self.listeners:
                    listener(happening)
        finally:
            self._telling = False
            self._waiting.clear()
