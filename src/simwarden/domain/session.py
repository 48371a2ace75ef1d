"""Data sessions of SIMs, as the network elements that carry them report their beginning, course and end.

Reports come repeated, late and in the wrong order, and some never come. Times are the source's.
"""

from __future__ import annotations

import enum
from datetime import datetime, timedelta

import msgspec

CLOCKS_DIFFER = timedelta(seconds=60)
"""How far an element's clock may be ahead of ours, or a report without a time of its own be late."""


class Phase(enum.StrEnum):
    """What a report says of a session."""

    BEGAN = "BEGAN"
    GOES_ON = "GOES_ON"
    ENDED = "ENDED"


class SessionNote(msgspec.Struct, frozen=True, kw_only=True):
    """A network element says how far one session has come."""

    key: str
    """Its name at the element."""
    phase: Phase
    at: datetime
    began_at: datetime
    imsi: str | None = None
    msisdn: str | None = None
    """In E.164 form with its plus sign; names the SIM where there is no IMSI."""
    imei: str | None = None
    """14 digits; None when the report carried none that could be read."""
    svn: str | None = None
    """Two digits, the software version of the device (3GPP TS 23.003 6.2.2), where the report carried an IMEISV."""
    plmn: str | None = None
    """MCC and MNC of the network that serves the device, where the report carried them."""
    presumed: bool = False
    """The element did not say so: it took a command to end the session."""
    cells: tuple[str, ...] = ()
    """Keys of the cell that the device is in and of the area around it, the cell first; none, where it is not said."""
    cells_at: datetime | None = None
    """When it was there, where that is said apart; None: `at`."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a session."""

    imsi: str
    element_id: int
    key: str
    began_at: datetime
    seen_at: datetime
    """When it was last reported, coarsely."""
    ended_at: datetime | None = None
    presumed: bool = False
    """Its end is: see SessionNote."""
    imei: str | None = None
    svn: str | None = None
    """See SessionNote, like `plmn`."""
    plmn: str | None = None

    @property
    def is_live(self) -> bool:
        """Whether it goes on."""
        return self.ended_at is None


class News(enum.StrEnum):
    """What a report of a session changes."""

    BEGAN = "began"
    WENT_ON = "went_on"
    ENDED = "ended"
    REPEATED = "repeated"
    """Nothing: it was known."""
    LATE = "late"
    """Nothing: the session was over before this was said, or heard."""


def follow(
    known: Session | None, note: SessionNote, imsi: str, element_id: int, restarted_at: datetime | None
) -> tuple[Session, News]:
    """Take in one report of a session of the SIM `imsi`. `restarted_at`: when the element last ended all its sessions.

    The end is the last word: neither a late beginning nor a late course makes a session live again. Only a beginning
    after the end does, because some elements give a name twice; and where the end is only presumed, a course that is
    later by more than clocks differ: the element took the command to end the session, and did not. A session whose
    beginning was lost begins with what comes first; one of which only the end came is remembered as ended.
    """
    if known is not None and known.is_live and restarted_at is not None and known.began_at < restarted_at:
        known = msgspec.structs.replace(known, ended_at=restarted_at)
    if known is not None and _goes_on_all_the_same(known, note):
        known = msgspec.structs.replace(known, ended_at=None, presumed=False)
    if known is None or (not known.is_live and note.phase is Phase.BEGAN and _after(note.at, known.ended_at)):
        begun = Session(
            imsi=imsi,
            element_id=element_id,
            key=note.key,
            began_at=note.began_at,
            seen_at=note.at,
            ended_at=note.at if note.phase is Phase.ENDED else None,
            presumed=note.presumed,
            imei=note.imei,
            svn=note.svn,
            plmn=note.plmn,
        )
        if restarted_at is not None and begun.is_live and begun.began_at < restarted_at:
            return msgspec.structs.replace(begun, ended_at=restarted_at), News.LATE
        return begun, News.BEGAN if begun.is_live else News.ENDED
    if not known.is_live:
        if note.phase is not Phase.ENDED:
            return known, News.LATE
        return msgspec.structs.replace(known, presumed=known.presumed and note.presumed), News.REPEATED
    session = msgspec.structs.replace(
        known,
        began_at=min(known.began_at, note.began_at),
        seen_at=max(known.seen_at, note.at),
        imei=note.imei or known.imei,
        svn=note.svn or known.svn,
        plmn=note.plmn or known.plmn,
        ended_at=note.at if note.phase is Phase.ENDED else None,
        presumed=note.presumed,
    )
    if note.phase is Phase.ENDED:
        return session, News.ENDED
    return session, News.WENT_ON if note.at > known.seen_at else News.REPEATED


def _goes_on_all_the_same(known: Session, note: SessionNote) -> bool:
    return (
        known.presumed
        and known.ended_at is not None
        and note.phase is Phase.GOES_ON
        and note.at > known.ended_at + CLOCKS_DIFFER
    )


def _after(at: datetime, end: datetime | None) -> bool:
    return end is not None and at > end
