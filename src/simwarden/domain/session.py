"""Data sessions of SIMs, as the network elements that carry them report their beginning, course and end.

Reports come repeated, late and in the wrong order, and some never come. Times are the source's.
"""

from __future__ import annotations

import enum
from datetime import datetime, timedelta

import msgspec

from simwarden.domain.sim import NetworkTarget, session_target

CLOCKS_DIFFER = timedelta(seconds=60)
"""How far an element's clock may be ahead of ours, or a report without a time of its own be late."""

MOST_OCTETS = 10**15
"""What says more is not believed: at 1 Gbit/s that takes three months."""


class Phase(enum.StrEnum):
    """What a report says of a session."""

    BEGAN = "BEGAN"
    GOES_ON = "GOES_ON"
    ENDED = "ENDED"


class Restriction(enum.StrEnum):
    """Whether an element lets no packets of a session pass, though it goes on."""

    NONE = "NONE"
    ASKED = "ASKED"
    """It was, or is about to be, asked to; whether it does is not known."""
    IN_FORCE = "IN_FORCE"


class Octets(msgspec.Struct, frozen=True):
    """A volume of data."""

    up: int = 0
    """Sent by the device."""
    down: int = 0
    """Received by it."""

    def __bool__(self) -> bool:
        """Whether there is any."""
        return self.up > 0 or self.down > 0


class UsedPart(msgspec.Struct, frozen=True):
    """What a session used since the part before this one."""

    octets: Octets
    number: int
    """Parts of a session are numbered upwards. One whose number is not above the last that counted is repeated."""


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
    apn: str | None = None
    """Access point name or data network name, in small letters, where it is said."""
    rat: str | None = None
    """Radio access by the words of TS 29.571 5.4.3.2 (`domain.radio`), where it is said."""
    ipv4: str | None = None
    """The device's address, where it is said."""
    ipv6: str | None = None
    """The device's prefix in canonical form (`2001:db8:1:2::/64`; `/128`: one address), where it is said."""
    octets: Octets | None = None
    """What the session used from its beginning to `at`, where the element counts in totals,"""
    used: UsedPart | None = None
    """or since the part before, where it counts in parts."""
    decision: str | None = None
    """What this server answered when it was asked to admit the session, as the element repeats it."""
    restriction: Restriction | None = None
    """Not the element, but who commands it says so, and nothing else: what it was asked for, or took."""


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
    apn: str | None = None
    rat: str | None = None
    ipv4: str | None = None
    ipv6: str | None = None
    up: int = 0
    """Octets that are counted so far; likewise `down`."""
    down: int = 0
    decision: str | None = None
    """See SessionNote."""
    parts: int = -1
    """Number of the last part that is counted, at an element that counts in parts."""
    restriction: Restriction = Restriction.NONE

    @property
    def target(self) -> NetworkTarget:
        """Where it can be acted upon."""
        return session_target(self.element_id, self.imsi, self.apn)

    @property
    def is_live(self) -> bool:
        """Whether it goes on."""
        return self.ended_at is None

    @property
    def is_restricted(self) -> bool:
        """Whether its element has taken the command to let no packets pass."""
        return self.restriction is Restriction.IN_FORCE


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
        known = msgspec.structs.replace(known, ended_at=None, presumed=False, restriction=Restriction.NONE)
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
            apn=note.apn,
            rat=note.rat,
            ipv4=note.ipv4,
            ipv6=note.ipv6,
            decision=note.decision,
        )
        begun = _count(begun, note)
        if restarted_at is not None and begun.is_live and begun.began_at < restarted_at:
            return msgspec.structs.replace(begun, ended_at=restarted_at), News.LATE
        return begun, News.BEGAN if begun.is_live else News.ENDED
    known = _count(known, note)
    if not known.is_live:
        if note.phase is not Phase.ENDED:
            return known, News.LATE
        return msgspec.structs.replace(known, presumed=known.presumed and note.presumed), News.REPEATED
    newer = note.at >= known.seen_at
    session = msgspec.structs.replace(
        known,
        began_at=min(known.began_at, note.began_at),
        seen_at=max(known.seen_at, note.at),
        imei=note.imei or known.imei,
        svn=note.svn or known.svn,
        plmn=(note.plmn if newer else None) or known.plmn or note.plmn,
        apn=known.apn or note.apn,
        rat=(note.rat if newer else None) or known.rat or note.rat,
        ipv4=(note.ipv4 if newer else None) or known.ipv4 or note.ipv4,
        ipv6=(note.ipv6 if newer else None) or known.ipv6 or note.ipv6,
        decision=known.decision or note.decision,
        ended_at=note.at if note.phase is Phase.ENDED else None,
        presumed=note.presumed,
    )
    if note.phase is Phase.ENDED:
        return session, News.ENDED
    return session, News.WENT_ON if note.at > known.seen_at else News.REPEATED


def restrict(known: Session | None, note: SessionNote) -> Session | None:
    """Take in what an element was asked for, or took: the session, or None where it is not this one any more."""
    if known is None or not known.is_live or known.began_at > note.began_at or note.restriction is None:
        return None
    return msgspec.structs.replace(known, restriction=note.restriction)


def used_between(before: Session | None, after: Session) -> Octets:
    """What a report added to a session: all of it, where the session is a new one under a name that was used before."""
    if before is None or (before.ended_at is not None and after.began_at > before.ended_at):
        return Octets(after.up, after.down)
    return Octets(after.up - before.up, after.down - before.down)


def _count(session: Session, note: SessionNote) -> Session:
    """Take in what a report says of volumes, also when it is late: totals that are larger, parts that are newer.

    A report of another session, which had the same name before this one began, adds nothing. Nor does one by which the
    session would have used more than MOST_OCTETS.
    """
    if note.at < session.began_at:
        return session
    total = note.octets
    if total is not None and (total.up > session.up or total.down > session.down) and believable(total):
        session = msgspec.structs.replace(session, up=max(session.up, total.up), down=max(session.down, total.down))
    if note.used is not None and note.used.number > session.parts and believable(note.used.octets):
        more = note.used.octets
        total = Octets(session.up + more.up, session.down + more.down)
        if believable(total):
            session = msgspec.structs.replace(session, up=total.up, down=total.down, parts=note.used.number)
    return session


def says_too_much(note: SessionNote, after: Session) -> bool:
    """Whether volumes of a report were not counted because no session can use so much. `after`: the session, as the
    report left it."""
    if note.octets is not None and not believable(note.octets):
        return True
    return note.used is not None and note.used.number > after.parts and note.at >= after.began_at


def believable(octets: Octets) -> bool:
    """Whether a session can have used so much."""
    return 0 <= octets.up <= MOST_OCTETS and 0 <= octets.down <= MOST_OCTETS


def _goes_on_all_the_same(known: Session, note: SessionNote) -> bool:
    return (
        known.presumed
        and known.ended_at is not None
        and note.phase is Phase.GOES_ON
        and note.at > known.ended_at + CLOCKS_DIFFER
    )


def _after(at: datetime, end: datetime | None) -> bool:
    return end is not None and at > end
