"""Sessions whose reports come repeated, late, in the wrong order, or not at all."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simwarden.domain.session import (
    MOST_OCTETS,
    News,
    Octets,
    Phase,
    Restriction,
    Session,
    SessionNote,
    UsedPart,
    follow,
    restrict,
    says_too_much,
    used_between,
)

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def note(phase: Phase, minutes: float, imei: str | None = "35000001000001", began: float | None = None) -> SessionNote:
    began_at = at(minutes if began is None else began)
    return SessionNote(key="S1", phase=phase, at=at(minutes), began_at=began_at, imei=imei)


def play(*notes: SessionNote, restarted_at: datetime | None = None) -> tuple[Session | None, list[News]]:
    session: Session | None = None
    news = []
    for each in notes:
        session, what = follow(session, each, "460000000000001", 1, restarted_at)
        news.append(what)
    return session, news


def test_a_session_begins_goes_on_and_ends() -> None:
    session, news = play(note(Phase.BEGAN, 0), note(Phase.GOES_ON, 5, began=0), note(Phase.ENDED, 9, began=0))
    assert news == [News.BEGAN, News.WENT_ON, News.ENDED]
    assert session is not None
    assert (session.began_at, session.seen_at, session.ended_at) == (at(0), at(9), at(9))


@pytest.mark.parametrize("phase", list(Phase))
def test_what_is_said_twice_changes_nothing(phase: Phase) -> None:
    once = [note(Phase.BEGAN, 0), note(phase, 5, began=0)] if phase is not Phase.BEGAN else [note(phase, 0)]
    session, _ = play(*once)
    again, news = play(*once, once[-1])
    assert again == session
    assert news[-1] is News.REPEATED


@pytest.mark.parametrize("late", [note(Phase.GOES_ON, 5, began=0), note(Phase.GOES_ON, 60), note(Phase.BEGAN, 0)])
def test_a_late_report_does_not_make_a_session_live_again(late: SessionNote) -> None:
    ended = [note(Phase.BEGAN, 0), note(Phase.ENDED, 9, began=0)]
    session, _ = play(*ended)
    after, news = play(*ended, late)
    assert (after, news[-1]) == (session, News.LATE)


def test_an_end_that_comes_first_is_remembered() -> None:
    session, news = play(note(Phase.ENDED, 9, began=0), note(Phase.BEGAN, 0), note(Phase.GOES_ON, 5, began=0))
    assert news == [News.ENDED, News.LATE, News.LATE]
    assert session is not None
    assert not session.is_live


def test_a_session_whose_beginning_was_lost_begins_with_its_course() -> None:
    session, news = play(note(Phase.GOES_ON, 10, began=0), note(Phase.BEGAN, 0))
    assert news == [News.BEGAN, News.REPEATED]
    assert session is not None
    assert (session.began_at, session.is_live) == (at(0), True)


def test_a_name_that_is_given_again_is_a_new_session() -> None:
    session, news = play(
        note(Phase.BEGAN, 0), note(Phase.ENDED, 9, began=0), note(Phase.BEGAN, 10, imei="35000002000001")
    )
    assert news[-1] is News.BEGAN
    assert session is not None
    assert (session.began_at, session.ended_at, session.imei) == (at(10), None, "35000002000001")


def test_a_device_is_known_from_whatever_report_named_it() -> None:
    session, _ = play(note(Phase.BEGAN, 0, imei=None), note(Phase.GOES_ON, 5), note(Phase.GOES_ON, 6, imei=None))
    assert session is not None
    assert session.imei == "35000001000001"


def test_a_presumed_end_is_refuted_by_a_later_course() -> None:
    """An element may say that it ended a session, and not do it."""
    presumed = msgspec.structs.replace(note(Phase.ENDED, 5, began=0), presumed=True)
    session, news = play(note(Phase.BEGAN, 0), presumed, note(Phase.GOES_ON, 5.5, began=0))
    assert news == [News.BEGAN, News.ENDED, News.LATE]
    assert session is not None
    assert not session.is_live
    session, news = play(note(Phase.BEGAN, 0), presumed, note(Phase.GOES_ON, 7, began=0))
    assert news[-1] is News.WENT_ON
    assert session is not None
    assert session.is_live
    assert session.began_at == at(0)
    _, news = play(note(Phase.BEGAN, 0), presumed, note(Phase.ENDED, 5.1, began=0), note(Phase.GOES_ON, 7, began=0))
    assert news[-2:] == [News.REPEATED, News.LATE]


def test_a_restart_ends_what_began_before_it() -> None:
    session, news = play(note(Phase.BEGAN, 0))
    for late in (note(Phase.GOES_ON, 5, began=0), note(Phase.GOES_ON, 20, began=0)):
        after, what = follow(session, late, "460000000000001", 1, at(10))
        assert (what, after.ended_at) == (News.LATE, at(10))
    unknown, news = play(note(Phase.GOES_ON, 5, began=0), restarted_at=at(10))
    assert news == [News.LATE]
    assert unknown is not None
    assert not unknown.is_live
    _, news = play(note(Phase.BEGAN, 10), restarted_at=at(10))
    assert news == [News.BEGAN]


_STORY = [
    note(Phase.BEGAN, 0),
    note(Phase.GOES_ON, 3, began=0),
    note(Phase.GOES_ON, 6, began=0),
    note(Phase.ENDED, 9, began=0),
]


@given(st.permutations(list(itertools.chain(_STORY, _STORY))))
def test_in_any_order_and_twice_a_session_that_ended_is_over(notes: list[SessionNote]) -> None:
    session, news = play(*notes)
    assert session is not None
    assert (session.began_at, session.ended_at) == (at(0), at(9))
    assert news.count(News.ENDED) == 1
    assert news.count(News.BEGAN) <= 1


def total(phase: Phase, minutes: float, up: int, down: int = 0) -> SessionNote:
    return msgspec.structs.replace(note(phase, minutes, began=0), octets=Octets(up, down))


def part(number: int, up: int) -> SessionNote:
    return msgspec.structs.replace(note(Phase.GOES_ON, number, began=0), used=UsedPart(Octets(up), number))


def counted(*notes: SessionNote) -> tuple[list[int], Session]:
    """What each report adds of octets from the device, and the session behind them."""
    session: Session | None = None
    added = []
    for each in notes:
        before = session
        session, _ = follow(before, each, "460000000000001", 1, None)
        added.append(used_between(before, session).up)
    assert session is not None
    return added, session


REPORTS = [
    note(Phase.BEGAN, 0),
    total(Phase.GOES_ON, 5, 100),
    total(Phase.GOES_ON, 10, 300),
    total(Phase.GOES_ON, 15, 5 << 32),
    total(Phase.ENDED, 20, (5 << 32) + 7),
]


@given(st.permutations(REPORTS), st.lists(st.sampled_from(REPORTS), max_size=5), st.sets(st.sampled_from([0, 1, 2, 3])))
def test_totals_count_once_whatever_is_lost_repeated_and_late(
    order: list[SessionNote], again: list[SessionNote], lost: set[int]
) -> None:
    """All that was used is counted by the report that says most, which is not lost here."""
    came = [each for each in order if REPORTS.index(each) not in lost] + again
    added, session = counted(*came)
    assert sum(added) == session.up == (5 << 32) + 7
    assert min(added) >= 0


def test_a_beginning_under_a_name_that_was_used_counts_from_nothing() -> None:
    added, session = counted(
        note(Phase.BEGAN, 0),
        total(Phase.ENDED, 9, 500),
        note(Phase.BEGAN, 20),
        msgspec.structs.replace(note(Phase.GOES_ON, 30, began=20), octets=Octets(40)),
        total(Phase.GOES_ON, 8, 450),  # late, of the session before
    )
    assert added == [0, 500, 0, 40, 0]
    assert session.up == 40


def test_what_ended_by_a_command_still_says_its_last_octets() -> None:
    ended = SessionNote(key="S1", phase=Phase.ENDED, at=at(5), began_at=at(0), presumed=True)
    added, session = counted(note(Phase.BEGAN, 0), total(Phase.GOES_ON, 4, 10), ended, total(Phase.ENDED, 5, 25))
    assert added == [0, 10, 0, 15]
    assert not session.presumed


def test_parts_count_once_by_their_numbers() -> None:
    added, session = counted(note(Phase.BEGAN, 0), part(1, 10), part(1, 10), part(3, 5), part(2, 7))
    assert added == [0, 10, 0, 5, 0], "an older part than the last is taken for a repeated one"
    assert (session.up, session.parts) == (15, 3)


@pytest.mark.parametrize("wrong", [Octets(MOST_OCTETS + 1), Octets(0, 1 << 63), Octets(-5)])
def test_volumes_that_nobody_can_have_used_are_not_counted(wrong: Octets) -> None:
    _, session = counted(
        note(Phase.BEGAN, 0),
        msgspec.structs.replace(total(Phase.GOES_ON, 5, 1), octets=wrong),
        msgspec.structs.replace(part(1, 1), used=UsedPart(wrong, 1)),
    )
    assert (session.up, session.down) == (0, 0)


def test_a_session_uses_no_more_in_parts_than_in_total() -> None:
    added, session = counted(note(Phase.BEGAN, 0), part(1, MOST_OCTETS), part(2, 1), part(3, 0))
    assert added == [0, MOST_OCTETS, 0, 0]
    assert (session.up, session.parts) == (MOST_OCTETS, 3)


def test_a_report_that_says_too_much_is_known_for_it() -> None:
    session, _ = play(note(Phase.BEGAN, 0), part(1, MOST_OCTETS))
    assert session is not None
    for wrong in (total(Phase.GOES_ON, 5, MOST_OCTETS + 1), part(2, 1), part(2, MOST_OCTETS + 1)):
        after, _ = follow(session, wrong, session.imsi, 1, None)
        assert says_too_much(wrong, after)
        assert (after.up, after.parts) == (MOST_OCTETS, 1)
    for right in (note(Phase.GOES_ON, 6), total(Phase.GOES_ON, 6, MOST_OCTETS), part(1, MOST_OCTETS), part(2, 0)):
        assert not says_too_much(right, follow(session, right, session.imsi, 1, None)[0])


def test_where_a_session_is_comes_from_its_newest_report() -> None:
    def of(minutes: float, **facts: str) -> SessionNote:
        return msgspec.structs.replace(note(Phase.GOES_ON, minutes, began=0), **facts)

    late = of(5, rat="UTRA", ipv4="10.0.0.2", plmn="26201")
    session, _ = play(of(0, rat="EUTRA", ipv4="10.0.0.1", apn="iot"), of(9, rat="NR"), late)
    assert session is not None
    assert (session.rat, session.ipv4, session.apn, session.plmn) == ("NR", "10.0.0.1", "iot", "26201")


def restricted(minutes: float, began: float = 0) -> SessionNote:
    return msgspec.structs.replace(note(Phase.GOES_ON, minutes, began=began), restriction=Restriction.IN_FORCE)


def test_a_restriction_stays_while_the_session_goes_on() -> None:
    session, _ = play(note(Phase.BEGAN, 0))
    session = restrict(session, restricted(1))
    assert session is not None
    assert session.is_restricted
    assert session.seen_at == at(0), "the element did not show it"
    session, _ = follow(session, note(Phase.GOES_ON, 5, began=0), session.imsi, 1, None)
    assert session.is_restricted


def test_what_is_not_this_session_is_not_restricted() -> None:
    assert restrict(None, restricted(1)) is None
    ended, _ = play(note(Phase.BEGAN, 0), note(Phase.ENDED, 5, began=0))
    assert restrict(ended, restricted(6)) is None
    another, _ = play(note(Phase.BEGAN, 0), note(Phase.ENDED, 5, began=0), note(Phase.BEGAN, 7))
    assert restrict(another, restricted(8)) is None, "the one that was asked for began before"


def test_a_new_session_under_an_old_name_is_not_restricted() -> None:
    session, _ = play(note(Phase.BEGAN, 0))
    session = restrict(session, restricted(1))
    assert session is not None
    for each in (note(Phase.ENDED, 5, began=0), note(Phase.BEGAN, 7)):
        session, _ = follow(session, each, session.imsi, 1, None)
    assert session.is_live
    assert not session.is_restricted


def test_a_session_that_goes_on_although_it_was_taken_for_gone_is_not_restricted() -> None:
    session, _ = play(note(Phase.BEGAN, 0))
    session = restrict(session, restricted(1))
    assert session is not None
    gone = msgspec.structs.replace(note(Phase.ENDED, 2, began=0), presumed=True)
    for each in (gone, note(Phase.GOES_ON, 10, began=0)):
        session, _ = follow(session, each, session.imsi, 1, None)
    assert session.is_live
    assert not session.is_restricted, "it is acted upon again"
