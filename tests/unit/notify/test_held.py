"""Who holds many queues leaves room for those who come."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec

from simwarden.notify.held import HeldQueues

if TYPE_CHECKING:
    from simwarden.store.deliveries import ClaimedQueue


class Named(msgspec.Struct, frozen=True):
    """A queue, as far as it matters here."""

    id: str
    account_id: str


def fill(held: HeldQueues, account: str) -> int:
    """Hold as many queues of an account as it may have; returns how many came in."""
    count = 0
    while held.capacity(account):
        held.add(cast("ClaimedQueue", Named(f"{account}-{len(held.ids)}", account)))
        count += 1
    return count


def test_an_account_alone_takes_half_the_places_and_each_newcomer_finds_room() -> None:
    held = HeldQueues(1024)
    assert held.capacity("anybody") == 512
    assert fill(held, "first") == 512
    assert held.full_accounts() == {"first"}
    assert fill(held, "second") == 256
    assert fill(held, "third") == 128
    assert held.free == 128
    assert held.accounts == {"first", "second", "third"}


def test_the_last_place_is_given_away_and_no_more() -> None:
    held = HeldQueues(1)
    assert fill(held, "first") == 1
    assert (held.free, held.capacity("second"), held.capacity("first")) == (0, 0, 0)


def test_what_is_removed_makes_room_and_its_account_is_forgotten_with_its_last_queue() -> None:
    held = HeldQueues(4)
    fill(held, "first")
    assert held.ids == {"first-0", "first-1"}
    assert held.remove("first-0") == "first"
    assert held.remove("first-0") is None
    assert held.accounts == {"first"}
    assert held.remove("first-1") == "first"
    assert (held.accounts, held.free, list(held)) == (set(), 4, [])


def test_a_pause_counts_only_while_the_queue_is_held() -> None:
    held = HeldQueues(4)
    held.pause("first-0")
    fill(held, "first")
    assert not held.is_paused("first-0")
    held.pause("first-0")
    assert held.is_paused("first-0")
    held.remove("first-0")
    assert not held.is_paused("first-0")
