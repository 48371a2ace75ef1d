"""Sessions whose reports come repeated, late, in the wrong order, or not at all."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simwarden.domain.session import News, Phase, Session, SessionNote, follow

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
