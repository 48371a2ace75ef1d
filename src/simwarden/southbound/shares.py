"""How requests in work are shared among the elements that send them."""

from __future__ import annotations


class WorkShares:
    """Places of one worker, of which each element takes at most as many as are left.

    One element alone has half of them, of two each a third: there is always as much left for one more as the greediest
    has. So an element whose requests never end keeps nobody else out.
    """

    def __init__(self, most: int) -> None:
        """`most`: requests in work at once."""
        self._free = most
        self._held: dict[int, int] = {}
        """Of each element that has any."""

    def has_room(self, element: int) -> bool:
        """Whether an element may have one more place."""
        return self._held.get(element, 0) < self._free

    def take(self, element: int) -> bool:
        """Take a place for an element, if it may have one more."""
        if not self.has_room(element):
            return False
        self._held[element] = self._held.get(element, 0) + 1
        self._free -= 1
        return True

    def give_back(self, element: int, places: int = 1) -> None:
        """Some of its places are free again."""
        self._free += places
        if self._held[element] == places:
            del self._held[element]
        else:
            self._held[element] -= places

    @property
    def taken(self) -> int:
        """How many places are."""
        return sum(self._held.values())
