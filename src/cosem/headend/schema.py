"""The tables of the head-end, once. Times are UTC seconds since 1970; what is JSON is text."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

channel: Final = Table(
    "channel",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("unit", Text, nullable=False),
    Column("scaler", Integer, nullable=False),
    Column("cumulative", Integer, nullable=False),
)
"""What is measured: an OBIS code with attribute, its unit and scaler. Values are whole numbers of 10**scaler units."""

interval_block: Final = Table(
    "interval_block",
    metadata,
    Column("device", Integer, primary_key=True),
    Column("channel", Integer, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("times", LargeBinary, nullable=False),
    Column("values", LargeBinary, nullable=False),
    Column("quality", LargeBinary, nullable=False),
    Column("estimates", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""Interval values that were acknowledged and are not in a file yet: one row for a device's channel and UTC day."""

interval_file: Final = Table(
    "interval_file",
    metadata,
    Column("path", Text, primary_key=True),
    Column("first_day", Integer, nullable=False),
    Column("last_day", Integer, nullable=False),
    Column("shard", Integer, nullable=False),
    Column("count", Integer, nullable=False),
    Column("octets", Integer, nullable=False),
    CheckConstraint("last_day >= first_day", name="days"),
    Index("ix_interval_file_days", "first_day", "last_day"),
)
"""The files that count. What lies in the folder and is not here was never finished."""

segment: Final = Table(
    "segment",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("concurrent", Integer, nullable=False),
    Column("new_per_second", Float, nullable=False),
    Column("epoch", Integer, nullable=False, server_default="0"),
)
"""A part of the network that carries so many connections at once and takes so many new ones a second.

`epoch` grows whenever somebody takes the segment over: results and commands of an older one are refused.
"""

device_type: Final = Table(
    "device_type",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("medium", Text, nullable=False),
    Column("manufacturer", Text, nullable=False, server_default=""),
    Column("companion", Text, nullable=False, server_default="idis"),
    Column("model", Text),
    Column("reading", Text, nullable=False, server_default="{}"),
)
"""Devices that are alike. `model` is the document of its objects, `reading` what is read of it and its layout."""

device: Final = Table(
    "device",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("type", Integer, ForeignKey("device_type.id")),
    Column("segment", Integer, ForeignKey("segment.id"), nullable=False),
    Column("parent", Integer, ForeignKey("device.id")),
    Column("channel", Integer),
    Column("url", Text),
    Column("system_title", Text),
    Column("state", Text, nullable=False, server_default="registered"),
    Column("place", Text, nullable=False, server_default=""),
    Column("details", Text, nullable=False, server_default="{}"),
    Column("created", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    UniqueConstraint("parent", "channel"),
    Index("ix_device_segment", "segment"),
    Index("ix_device_parent", "parent"),
    Index("ix_device_type", "type"),
    Index("ix_device_state", "state"),
)
"""Everything that is counted, reached or passed through. `parent` is what it hangs behind, `channel` where there."""

device_group: Final = Table(
    "device_group",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
)

group_member: Final = Table(
    "group_member",
    metadata,
    Column("group", Integer, ForeignKey("device_group.id", ondelete="CASCADE"), primary_key=True),
    Column("device", Integer, ForeignKey("device.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_group_member_device", "device"),
    sqlite_with_rowid=False,
)

device_tag: Final = Table(
    "device_tag",
    metadata,
    Column("device", Integer, ForeignKey("device.id", ondelete="CASCADE"), primary_key=True),
    Column("tag", Text, primary_key=True),
    Index("ix_device_tag_tag", "tag"),
    sqlite_with_rowid=False,
)

device_key: Final = Table(
    "device_key",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("device", Integer, ForeignKey("device.id", ondelete="CASCADE"), nullable=False),
    Column("purpose", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Index("ix_device_key_device", "device", "purpose", "state"),
)
"""Keys and secrets, sealed. `state` is new (being brought to the device), active, or expired."""

counter: Final = Table(
    "counter",
    metadata,
    Column("name", Text, primary_key=True),
    Column("next", Integer, nullable=False, server_default="0"),
    Column("received", Integer),
    sqlite_with_rowid=False,
)
"""Invocation counters: the next to be leased, and the last accepted of the peer."""

plan: Final = Table(
    "plan",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("what", Text, nullable=False),
    Column("schedule", Text, nullable=False),
    Column("active", Integer, nullable=False, server_default="1"),
)
"""Who is read, what of them, and when: JSON of `plans.Plan`. `active`: 0 rests, 1 runs as scheduled, 2 is removed."""

plan_run: Final = Table(
    "plan_run",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("plan", Integer, ForeignKey("plan.id", ondelete="CASCADE"), nullable=False),
    Column("start", Integer, nullable=False),
    Column("deadline", Integer, nullable=False),
    Column("finished", Integer),
    Column("spread", Integer, nullable=False, server_default="1"),
    Column("account", Text),
    UniqueConstraint("plan", "start"),
)
"""One time a plan was carried out. Nothing is tried after its deadline. `spread` 0: every device begins at once.

`account` is that of a run that is over: nobody counts its devices again.
"""

slice_: Final = Table(
    "slice",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run", Integer, ForeignKey("plan_run.id", ondelete="CASCADE"), nullable=False),
    Column("segment", Integer, ForeignKey("segment.id"), nullable=False),
    Column("state", Text, nullable=False, server_default="waiting"),
    Index("ix_slice_run", "run"),
)
"""The devices of one segment in one run: what one durable job collects."""

result: Final = Table(
    "result",
    metadata,
    Column("run", Integer, ForeignKey("plan_run.id", ondelete="CASCADE"), primary_key=True),
    Column("device", Integer, ForeignKey("device.id", ondelete="CASCADE"), primary_key=True),
    Column("slice", Integer, nullable=False),
    Column("reason", Text),
    Column("detail", Text, nullable=False, server_default=""),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("values", Integer, nullable=False, server_default="0"),
    Column("finished", Integer),
    Index("ix_result_slice", "slice"),
    Index("ix_result_device", "device"),
    sqlite_with_rowid=False,
)
"""What came of each device in a run: `finished` and no reason is read; a reason and not finished is tried again."""

progress: Final = Table(
    "progress",
    metadata,
    Column("device", Integer, ForeignKey("device.id", ondelete="CASCADE"), primary_key=True),
    Column("profile", Text, primary_key=True),
    Column("until", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""The last row that is had of each profile of a device; up to when each of its logs was read."""

gap: Final = Table(
    "gap",
    metadata,
    Column("device", Integer, ForeignKey("device.id", ondelete="CASCADE"), primary_key=True),
    Column("profile", Text, primary_key=True),
    Column("first", Integer, primary_key=True),
    Column("last", Integer, nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)
"""Intervals that did not come though later ones did: from `first` to before `last`, asked for again a few times."""

latest: Final = Table(
    "latest",
    metadata,
    Column("device", Integer, ForeignKey("device.id", ondelete="CASCADE"), primary_key=True),
    Column("channel", Integer, primary_key=True),
    Column("time", Integer, nullable=False),
    Column("value", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""The latest value of each channel."""

clock_check: Final = Table(
    "clock_check",
    metadata,
    Column("device", Integer, ForeignKey("device.id", ondelete="CASCADE"), primary_key=True),
    Column("at", Integer, nullable=False),
    Column("offset", Integer, nullable=False),
    Column("set_at", Integer),
    sqlite_with_rowid=False,
)
"""How far the clock of a device was off when it was last looked at (seconds, positive: fast), and when it was set."""

command: Final = Table(
    "command",
    metadata,
    Column("id", Text, primary_key=True),
    Column("bundle", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("device", Integer, ForeignKey("device.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("parameters", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("requested", Integer, nullable=False),
    Column("not_after", Integer, nullable=False),
    Column("confirmed_by", Text),
    Column("sent", Integer),
    Column("finished", Integer),
    Column("answer", Text),
    Column("detail", Text, nullable=False, server_default=""),
    UniqueConstraint("bundle", "position"),
    Index("ix_command_device", "device", "requested"),
    Index("ix_command_state", "state"),
)
"""Commands, each with an identity of its own; those of a bundle share one association. Never deleted."""

audit: Final = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Integer, nullable=False),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("before", Text),
    Column("after", Text),
    Index("ix_audit_subject", "subject"),
    sqlite_autoincrement=True,
)
"""Who did what: only ever appended to."""

event: Final = Table(
    "event",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("device", Integer, ForeignKey("device.id", ondelete="CASCADE"), nullable=False),
    Column("at", Integer, nullable=False),
    Column("received", Integer, nullable=False),
    Column("source", Text, nullable=False),
    Column("group", Text, nullable=False),
    Column("code", Integer),
    Column("words", Text, nullable=False),
    UniqueConstraint("device", "at", "group", "code", "words"),
    Index("ix_event_device", "device", "at"),
    Index("ix_event_received", "received"),
    sqlite_autoincrement=True,
)
"""What happened at devices, from their logs and from what they pushed; the same happening is there once."""

alarm: Final = Table(
    "alarm",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("device", Integer, ForeignKey("device.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("fraud", Integer, nullable=False),
    Column("first", Integer, nullable=False),
    Column("last", Integer, nullable=False),
    Column("count", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("acknowledged_by", Text),
    Column("acknowledged", Integer),
    Index("ix_alarm_open", "device", "kind", unique=True, sqlite_where=text("state = 'open'")),
    Index("ix_alarm_last", "state", "last"),
    sqlite_autoincrement=True,
)
"""What somebody should look at. One open alarm of a kind for a device: what comes again counts in it."""

push_log: Final = Table(
    "push_log",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Integer, nullable=False),
    Column("peer", Text, nullable=False),
    Column("device", Integer),
    Column("octets", LargeBinary, nullable=False),
    Column("problem", Text),
    Index("ix_push_log_at", "at"),
    sqlite_autoincrement=True,
)
"""What was pushed, as it came, before anything is made of it."""

outbox: Final = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("channel", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("created", Integer, nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("next_try", Integer, nullable=False),
    Column("sent", Integer),
    Column("dead", Integer),
    Column("problem", Text),
    Index("ix_outbox_waiting", "channel", "sent", "next_try"),
    sqlite_autoincrement=True,
)
"""What is to be told outside: at least once, in order for each subject. `channel` is the name of its rule.

`dead` is when it was given up after many tries; `problem` says why the last one failed.
"""

token: Final = Table(
    "token",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("group", Integer, ForeignKey("device_group.id")),
    Column("created", Integer, nullable=False),
    Column("expires", Integer),
    Column("revoked", Integer),
)
"""Tokens of the API by their digest: the token itself is shown once. `group` narrows a token to its devices."""

account: Final = Table(
    "account",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("hash", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("group", Text),
    Column("created", Integer, nullable=False),
    Column("shut", Integer),
)
"""Who signs in to the pages. `group` narrows to its devices, `shut` is since when somebody may not come in."""

web_session: Final = Table(
    "web_session",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("account", Integer, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("created", Integer, nullable=False),
    Column("seen", Integer, nullable=False),
    Index("ix_web_session_account", "account"),
    sqlite_with_rowid=False,
)
"""Who is signed in, by the digest of the cookie."""

idempotency: Final = Table(
    "idempotency",
    metadata,
    Column("key", Text, primary_key=True),
    Column("who", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Column("at", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""Answers given under an Idempotency-Key, so that asking twice is asking once."""

key_change: Final = Table(
    "key_change",
    metadata,
    Column("id", Text, primary_key=True),
    Column("device", Integer, ForeignKey("device.id"), nullable=False),
    Column("purposes", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("requested", Integer, nullable=False),
    Column("not_after", Integer, nullable=False),
    Column("finished", Integer),
    Column("detail", Text, nullable=False, server_default=""),
    Index(
        "ix_key_change_open",
        "device",
        unique=True,
        sqlite_where=text("state IN ('waiting', 'sending')"),
        postgresql_where=text("state IN ('waiting', 'sending')"),
    ),
    Index("ix_key_change_device", "device", "requested"),
    sqlite_with_rowid=False,
)
"""Changes of keys, one open for a device. "sending": its new keys are kept, and it may have them. Holds no key."""

firmware_image: Final = Table(
    "firmware_image",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("identifier", Text, nullable=False, unique=True),
    Column("version", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("octets", Integer, nullable=False),
    Column("types", Text, nullable=False, server_default="[]"),
    Column("hardware", Text, nullable=False, server_default="[]"),
    Column("from_versions", Text, nullable=False, server_default="[]"),
    Column("added_by", Text, nullable=False),
    Column("added", Integer, nullable=False),
    Column("withdrawn", Integer),
)
"""The catalogue of images. The octets lie in a file that is named by `digest` (SHA-256); empty lists allow all."""

firmware_history: Final = Table(
    "firmware_history",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("device", Integer, ForeignKey("device.id", ondelete="CASCADE"), nullable=False),
    Column("image", Integer, ForeignKey("firmware_image.id"), nullable=False),
    Column("campaign", Integer),
    Column("at", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("before", Text),
    Column("after", Text),
    Column("detail", Text, nullable=False, server_default=""),
    Index("ix_firmware_history_device", "device", "at"),
    sqlite_autoincrement=True,
)
"""What became of images at devices, and which versions they showed before and after."""

campaign: Final = Table(
    "campaign",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("selection", Text, nullable=False),
    Column("stages", Text, nullable=False),
    Column("gate", Integer, nullable=False, server_default="0"),
    Column("abort_share", Float, nullable=False),
    Column("state", Text, nullable=False),
    Column("stage", Integer, nullable=False, server_default="0"),
    Column("round", Integer, nullable=False, server_default="0"),
    Column("requested_by", Text, nullable=False),
    Column("confirmed_by", Text),
    Column("created", Integer, nullable=False),
    Column("not_after", Integer, nullable=False),
    Column("finished", Integer),
    Column("detail", Text, nullable=False, server_default=""),
    Index("ix_campaign_state", "state"),
    sqlite_autoincrement=True,
)
"""One thing done at many devices, stage after stage. Jobs of another `round` than this are fenced."""

campaign_device: Final = Table(
    "campaign_device",
    metadata,
    Column("campaign", Integer, ForeignKey("campaign.id", ondelete="CASCADE"), primary_key=True),
    Column("device", Integer, ForeignKey("device.id", ondelete="CASCADE"), primary_key=True),
    Column("stage", Integer, nullable=False),
    Column("segment", Integer, nullable=False),
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("answer", Text),
    Column("detail", Text, nullable=False, server_default=""),
    Column("finished", Integer),
    Index("ix_campaign_device_stage", "campaign", "stage", "state"),
    Index("ix_campaign_device_device", "device"),
    sqlite_with_rowid=False,
)
"""What became of each device in a campaign."""

broadcast_channel: Final = Table(
    "broadcast_channel",
    metadata,
    Column("segment", Integer, ForeignKey("segment.id", ondelete="CASCADE"), primary_key=True),
    Column("urls", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("sealed", LargeBinary),
)
"""How all meters of a segment are told at once: addresses, the sender's system title, and the broadcast key, sealed."""

broadcast_sent: Final = Table(
    "broadcast_sent",
    metadata,
    Column("campaign", Integer, ForeignKey("campaign.id", ondelete="CASCADE"), primary_key=True),
    Column("segment", Integer, primary_key=True),
    Column("at", Integer, nullable=False),
    Column("problem", Text),
    sqlite_with_rowid=False,
)
"""Which segments were told of a campaign at once; written before it is sent, so that it is sent once."""

trace: Final = Table(
    "trace",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("device", Integer, ForeignKey("device.id", ondelete="CASCADE"), nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("asked", Integer, nullable=False),
    Column("started", Integer),
    Column("finished", Integer),
    Column("what", Text, nullable=False, server_default=""),
    Column("ended", Text, nullable=False, server_default=""),
    Column("messages", Integer, nullable=False, server_default="0"),
    Column("octets", Integer, nullable=False, server_default="0"),
    Column("left_out", Integer, nullable=False, server_default="0"),
    Column("sealed", LargeBinary),
    Index("ix_trace_device", "device", "id"),
    sqlite_autoincrement=True,
)
"""Sessions that are traced, sealed; one without `started` waits for the next session of its device."""

notify_rule: Final = Table(
    "notify_rule",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("sender", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("sealed", LargeBinary),
    Column("match", Text, nullable=False),
    Column("active", Integer, nullable=False, server_default="1"),
)
"""Who is told of what. Secrets of the target are sealed."""

storm: Final = Table(
    "storm",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("rule", Integer, ForeignKey("notify_rule.id", ondelete="CASCADE"), nullable=False),
    Column("segment", Integer, ForeignKey("segment.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("start", Integer, nullable=False),
    Column("due", Integer, nullable=False),
    Column("told", Integer),
    Index("ix_storm_waiting", "told", "due"),
    sqlite_autoincrement=True,
)
"""Alarms of a segment that are gathered until `due`, to be told as one."""

storm_device: Final = Table(
    "storm_device",
    metadata,
    Column("storm", Integer, ForeignKey("storm.id", ondelete="CASCADE"), primary_key=True),
    Column("device", Integer, primary_key=True),
    sqlite_with_rowid=False,
)
