"""Figures for Prometheus: counted while the head-end works, or asked of the database when somebody scrapes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from sqlalchemy import Connection, func, select

import cosem
from cosem.headend.engine import Headend
from cosem.headend.happenings import AlarmState
from cosem.headend.home.publisher import Publisher
from cosem.headend.intake import Intake
from cosem.headend.plans import Plans
from cosem.headend.reasons import Reason
from cosem.headend.schema import alarm, command, device, gap, interval_block, outbox, plan, plan_run, slice_
from cosem.headend.session import Outcome

BUCKETS: Final = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 300)
READ: Final = "read"
TOLD: Final = ("read", "alarm", "event", "command", "value")
"""Kinds of what the head-end tells that are counted."""


class Metrics:
    """The figures of one head-end, in a registry of its own."""

    def __init__(self, headend: Headend, intake: Intake | None = None, publisher: Publisher | None = None) -> None:
        self._headend = headend
        self._intake = intake
        self._publisher = publisher
        self.registry = CollectorRegistry()
        self._ended = Counter(
            "cosem_devices_ended",
            "Devices that a run was done with, by what came of it.",
            ["reason"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "cosem_session_seconds", "How long the last session with a device took.", buckets=BUCKETS,
            registry=self.registry,
        )  # fmt: skip
        self._values = Counter(
            "cosem_values_collected", "Interval values that sessions brought.", registry=self.registry
        )
        self._told = Counter(
            "cosem_told",
            "What was told to everybody who follows: reads, alarms opened, events, commands that moved on.",
            ["kind"],
            registry=self.registry,
        )
        for reason in (READ, *Reason):
            # A rate needs a value to begin with: what never happened is 0, not unknown.
            self._ended.labels(reason)
        for kind in TOLD:
            self._told.labels(kind)
        ProcessCollector(registry=self.registry)
        headend.listeners.append(self._outcome)
        headend.live.append(self._follow)
        self.registry.register(_Asked(self))

    def _outcome(self, run: int, outcome: Outcome) -> None:
        self._ended.labels(outcome.reason or READ).inc()
        self._seconds.observe(outcome.seconds)
        self._values.inc(sum(len(series) for series in outcome.series))

    def _follow(self, kind: str, content: dict[str, Any]) -> None:
        if kind in TOLD:
            self._told.labels(kind).inc()

    def text(self) -> bytes:
        """Return the figures in Prometheus' text form."""
        return generate_latest(self.registry)

    def gauges(self) -> Iterable[Any]:
        """Yield what the database and the intake of pushes say now."""
        with self._headend.engine.connect() as connection:
            yield _by(connection, "cosem_devices", "Devices by kind and state.", device.c.kind, device.c.state)
            yield _by(connection, "cosem_alarms", "Alarms by state.", alarm.c.state)
            yield _fraud(connection)
            yield _by(connection, "cosem_commands", "Commands by state.", command.c.state)
            yield _by(connection, "cosem_slices", "Jobs of plans by state.", slice_.c.state)
            yield from self._runs(connection)
            yield _outbox(connection)
            yield GaugeMetricFamily(
                "cosem_gaps",
                "Stretches of intervals that are missing in load profiles.",
                value=connection.execute(select(func.count()).select_from(gap)).scalar_one(),
            )
            size = self._headend.intervals.size(connection)
            staged = connection.execute(select(func.count()).select_from(interval_block)).scalar_one()
        for name, words, value in (
            ("cosem_interval_files", "Files with interval values.", size.files),
            ("cosem_interval_file_values", "Interval values in files.", size.values),
            ("cosem_interval_file_octets", "Octets of those files.", size.octets),
            ("cosem_staged_blocks", "Blocks of interval values that are in no file yet.", staged),
        ):
            yield GaugeMetricFamily(name, words, value=value)
        yield InfoMetricFamily("cosem_build", "The version of this program.", value={"version": cosem.__version__})
        yield from self._pushes()
        yield from self._broker()

    def _pushes(self) -> Iterable[Any]:
        if (intake := self._intake) is None:
            return
        yield GaugeMetricFamily(
            "cosem_push_connections", "Connections by which devices push.", value=intake.connections
        )
        yield GaugeMetricFamily("cosem_push_queue", "Pushes that wait to be written.", value=intake.waiting)
        yield CounterMetricFamily("cosem_pushes_received", "Pushes received.", value=intake.received)
        yield CounterMetricFamily("cosem_pushes_refused", "Pushes that found the queue full.", value=intake.refused)

    def _broker(self) -> Iterable[Any]:
        if (publisher := self._publisher) is None:
            return
        connected = int(publisher.connected)
        yield GaugeMetricFamily("cosem_mqtt_connected", "Whether the broker is there.", value=connected)
        yield CounterMetricFamily("cosem_mqtt_published", "Messages the broker took.", value=publisher.published)
        yield CounterMetricFamily("cosem_mqtt_failures", "Connections that failed or broke.", value=publisher.failures)

    def _runs(self, connection: Connection) -> Iterable[Any]:
        """Yield the account of the last run of each plan, and the share that was read."""
        account = GaugeMetricFamily("cosem_run_devices", "Devices of a plan's last run.", labels=["plan", "reason"])
        share = GaugeMetricFamily(
            "cosem_read_success_ratio", "Share of a plan's last run that was read.", labels=["plan"]
        )
        newest = select(func.max(plan_run.c.id), plan.c.name).join(plan, plan.c.id == plan_run.c.plan)
        for run, name in connection.execute(newest.group_by(plan.c.name)).all():
            counts = Plans(connection).account(run)
            for reason, number in counts.items():
                account.add_metric([name, reason], number)
            if counts:
                share.add_metric([name], counts.get(READ, 0) / sum(counts.values()))
        yield account
        yield share


class _Asked:
    """What a registry asks when somebody scrapes."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Any]:
        return self._metrics.gauges()

    def describe(self) -> Iterable[Any]:
        # Without this a registry collects once to learn the names.
        return ()


def _fraud(connection: Connection) -> GaugeMetricFamily:
    query = select(func.count()).where(alarm.c.state == AlarmState.OPEN, alarm.c.fraud == 1)
    open_ = connection.execute(query).scalar_one()
    return GaugeMetricFamily("cosem_fraud_alarms_open", "Open alarms that speak of somebody's doing.", value=open_)


def _outbox(connection: Connection) -> GaugeMetricFamily:
    """Return how many notifications wait, and how many were given up."""
    family = GaugeMetricFamily("cosem_notifications", "Notifications that did not arrive, by state.", labels=["state"])
    for state, dead in (("waiting", outbox.c.dead.is_(None)), ("given up", outbox.c.dead.is_not(None))):
        query = select(func.count()).where(outbox.c.sent.is_(None), dead)
        family.add_metric([state], connection.execute(query).scalar_one())
    return family


def _by(connection: Connection, name: str, words: str, *columns: Any) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, words, labels=[column.name for column in columns])
    for *labels, number in connection.execute(select(*columns, func.count()).group_by(*columns)):
        family.add_metric([str(label) for label in labels], number)
    return family
