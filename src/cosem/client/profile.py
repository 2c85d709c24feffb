"""Load profiles and logs: read whole, by time or by entry; as rows or columns; and never lost half-way.

Meters save room by writing null-data for a value that did not change, and for a time that is one capture period after
the one before. Such rows are expanded; the raw ones stay available.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from cosem.classes.c007_profile_generic import by_entry, by_time
from cosem.classes.common import capture_object
from cosem.classes.model import Selection
from cosem.classes.types import array
from cosem.client.core import Core, Talk
from cosem.client.table import (
    FIRST,
    LAST,
    Column,
    ProfileTable,
    When,
    choose,
    cosem_time,
    expand,
    expand_octets,
    falling,
    select,
    take_octets,
    whole_rows,
)
from cosem.codec.rows import decode_columns, decode_rows
from cosem.errors import AccessError, Cancelled, ConnectionLost, CosemError, DecodeError, RemoteProtocolError
from cosem.obis import Obis
from cosem.results import DataAccessResult

PROFILE = 7
BUFFER, CAPTURE_OBJECTS, CAPTURE_PERIOD = 2, 3, 4
_capture_objects = array(capture_object)
_NO_SELECTION = (
    DataAccessResult.OTHER_REASON,
    DataAccessResult.SCOPE_OF_ACCESS_VIOLATED,
    DataAccessResult.TYPE_UNMATCHED,
    DataAccessResult.READ_WRITE_DENIED,
    DataAccessResult.OBJECT_UNAVAILABLE,
)
"""Results by which meters without selective access refuse a selection; then everything is read and filtered here."""


class Request(NamedTuple):
    """What is asked of a profile, see `ProfileReader.read`."""

    profile: Obis
    start: When = None
    end: When = None
    columns: tuple[Obis, ...] = ()
    entries: tuple[int, int] | None = None


class ProfileInterrupted(ConnectionLost):
    """The link died while a profile was read. `table` holds the rows that had arrived whole.

    `resume_from` is the time of the last of them, or None; `ProfileReader.resume` reads the rest. `request` is what
    was asked, `whole` the table with the time column also where that was not asked for.
    """

    def __init__(self, reason: str, whole: ProfileTable, table: ProfileTable, request: Request) -> None:
        super().__init__(f"{reason}; {len(table)} rows had arrived and are kept")
        self.table = table
        self.whole = whole
        self.request = request
        self.profile = request.profile
        self.resume_from = next((moment for moment in reversed(whole.times()) if moment is not None), None)


class ProfileReader:
    """One profile of one meter: its columns are read once."""

    def __init__(self, core: Core, name: Obis) -> None:
        self.core = core
        self.name = name
        self._columns: tuple[Column, ...] | None = None
        self._period = 0

    def describe(self) -> Talk[tuple[Column, ...]]:
        """Return the columns, with scalers and units."""
        if self._columns is None:
            data = yield from self.core.get_data(PROFILE, self.name, CAPTURE_OBJECTS)
            try:
                captures = _capture_objects.from_data(data)
            except CosemError as error:
                raise RemoteProtocolError(f"{self.name} capture_objects: {error}") from None
            columns = []
            for capture in captures:
                scaled = capture.attribute_index in (2, 3) if capture.class_id == 5 else capture.attribute_index == 2
                scaler = None
                if scaled:
                    scaler = yield from self.core.scaler_unit(capture.class_id, capture.logical_name)
                columns.append(Column(capture, scaler))
            try:
                period = yield from self.core.get_data(PROFILE, self.name, CAPTURE_PERIOD)
                self._period = period.value if isinstance(period.value, int) else 0
            except AccessError:
                self._period = 0
            self._columns = tuple(columns)
        return self._columns

    def read(
        self,
        start: When = None,
        end: When = None,
        *,
        columns: Sequence[Obis] = (),
        entries: tuple[int, int] | None = None,
    ) -> Talk[ProfileTable]:
        """Read the rows from `start` to `end` (both included), or entries by number from 1, or everything.

        Naive times are the meter's local time. `columns` names captured objects; none means all. A meter without
        selective access is read whole and filtered here. Raises `ProfileInterrupted` with what had arrived.
        """
        request = Request(self.name, start, end, tuple(columns), entries)
        described = yield from self.describe()
        chosen = choose(described, request.columns)
        table = yield from self._fetch(request)
        return table.project(chosen)

    def assume(self, columns: tuple[Column, ...], period: int) -> None:
        """Take the columns and the capture period as known, as of another meter of the same kind."""
        self._columns, self._period = columns, period

    @property
    def period(self) -> int:
        """The capture period in seconds as far as it is known, 0 otherwise."""
        return self._period

    def read_octets(self, start: When = None, end: When = None) -> Talk[bytes]:
        """Read rows as the octets of an array, for who keeps them as they are; null-data is expanded.

        A meter without selective access is read whole and filtered here.
        """
        described = yield from self.describe()
        octets, selected = yield from self._octets(Request(self.name, start, end), described)
        if not selected and (start is not None or end is not None):
            octets = take_octets(octets, select(self._table(octets, described), start, end, None))
        return expand_octets(octets, described, self._period)

    def resume(self, interrupted: ProfileInterrupted, end: When = None) -> Talk[ProfileTable]:
        """Read what is missing behind an interruption, and return it together with what had arrived.

        `end` takes the place of the end that was asked for. By time, the rest is what lies from `resume_from` on: rows
        of a clock that was set back behind that point need a read of their own. Raises `ProfileInterrupted` again,
        with all rows so far.
        """
        request, known = interrupted.request, interrupted.whole
        if end is not None:
            request = request._replace(end=end)
        chosen = choose((yield from self.describe()), request.columns)
        rest = request
        if request.entries is not None:
            first, last = request.entries
            rest = request._replace(entries=(first + len(known), last))
            if last and first + len(known) > last:
                return interrupted.table
        elif interrupted.resume_from is None:
            known = known.take(())
        elif falling(known.times()):
            rest = request._replace(end=interrupted.resume_from)
        else:
            rest = request._replace(start=interrupted.resume_from)
        join = known.joined if request.entries is None else known.followed_by
        try:
            missing = yield from self._fetch(rest)
        except ProfileInterrupted as again:
            whole = join(again.whole)
            raise ProfileInterrupted("the link died once more", whole, whole.project(chosen), request) from again
        return join(missing).project(chosen)

    def read_columns(self, start: When = None, end: When = None, *, native: bool = False) -> Talk[Any]:
        """Read into NumPy columns (needs ``cosem[columns]``): `cosem.codec.rows.Columns`.

        Null-data is expanded as in rows, so that columns stay columns of numbers.
        """
        described = yield from self.describe()
        request = Request(self.name, start, end)
        octets, selected = yield from self._octets(request, described)
        if not selected and (start is not None or end is not None):
            octets = take_octets(octets, select(self._table(octets, described), start, end, None))
        columns = decode_columns(octets, native)
        if octets[:1] == b"\x01" and any(column.dtype == object for column in columns.columns):
            columns = decode_columns(expand_octets(octets, described, self._period), native)
        return columns

    # --- inside --------------------------------------------------------------------------------------------

    def _fetch(self, request: Request) -> Talk[ProfileTable]:
        """Read the rows of a request: the columns asked for, and the time."""
        described = yield from self.describe()
        asked = self._asked(request, described)
        octets, selected = yield from self._octets(request, described)
        return self._finish(octets, request, selected).project(asked)

    def _asked(self, request: Request, described: tuple[Column, ...]) -> tuple[Column, ...]:
        """Return the columns to be had: those chosen, and the time, without which nothing could be resumed."""
        chosen = choose(described, request.columns)
        return tuple(column for column in described if column in chosen or column.is_time)

    def _octets(self, request: Request, described: tuple[Column, ...]) -> Talk[tuple[bytes, bool]]:
        """Return the octets of the buffer, and whether the meter selected them."""
        selection = self._selection(request, described)
        if selection is not None and self.core.selects:
            try:
                return (yield from self._get(request, selection)), True
            except AccessError as error:
                if error.result not in _NO_SELECTION:
                    raise
        return (yield from self._get(request, None)), False

    def _get(self, request: Request, selection: Selection | None) -> Talk[bytes]:
        parts: list[bytes] = []
        try:
            return (yield from self.core.get_octets(PROFILE, self.name, BUFFER, selection, parts))
        except Cancelled:
            raise
        except CosemError as error:
            if not parts:
                raise
            described = self._columns or ()
            table = self._finish(whole_rows(b"".join(parts)), request, selection is not None)
            whole = table.project(self._asked(request, described))
            chosen = whole.project(choose(described, request.columns))
            raise ProfileInterrupted(str(error), whole, chosen, request) from error

    def _selection(self, request: Request, described: tuple[Column, ...]) -> Selection | None:
        if request.entries is not None:
            # All columns: by entry they are told by number, and meters differ in how they count.
            return by_entry(*request.entries)
        asked = self._asked(request, described)
        wanted = () if asked == described else tuple(column.capture for column in asked)
        if request.start is None and request.end is None and not wanted:
            return None
        restricting = next((column.capture for column in described if column.is_time), None)
        if restricting is None:
            return None
        return by_time(cosem_time(request.start, FIRST), cosem_time(request.end, LAST), wanted, restricting=restricting)

    def _finish(self, octets: bytes, request: Request, selected: bool) -> ProfileTable:
        """Make a table of what came, and do here what the meter did not."""
        described = self._columns or ()
        if selected:
            return self._table(octets, described if request.entries else self._asked(request, described))
        table = self._table(octets, described)
        return table.take(select(table, request.start, request.end, request.entries))

    def _table(self, octets: bytes, columns: tuple[Column, ...]) -> ProfileTable:
        raw = decode_rows(octets)
        described = self._columns or ()
        widths = {len(row) for row in raw}
        if widths == {len(described)}:
            # Also a meter that does not mind which columns were asked for.
            columns = described
        elif widths - {len(columns)}:
            width = (widths - {len(columns)}).pop()
            raise DecodeError(f"a row of {width} values where {len(columns)} columns are captured", 0)
        return ProfileTable(columns, expand(raw, columns, self._period), raw, self._period)
