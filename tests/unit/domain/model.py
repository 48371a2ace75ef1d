"""What the architecture page says about binding, said again in other words, without a line of the product.

Devices are 14 digits. A policy is (mismatch: enforce|alert, unknown: allow|deny, resume: auto|manual).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class ModelSim:
    """One SIM as the page describes it."""

    state: str = "NEUTRAL"
    allowed: frozenset[str] | None = None  # None: not bound; empty: bound to the first device seen
    named: bool = False  # somebody named the devices that are allowed
    policy: tuple[str, str, str] = ("enforce", "allow", "auto")
    device: str | None = None  # the last one that could be read
    hidden: bool = False  # the newest sighting could not be read
    newest: int | None = None
    barred: bool = False

    def permits(self, device: str) -> bool:
        """A binding names devices by 14 digits or models by 8."""
        assert self.allowed is not None
        return device in self.allowed or device[:8] in self.allowed

    def sight(self, device: str | None, at: int) -> str:
        """A source saw the SIM; an older sighting than the newest one changes nothing."""
        if self.newest is not None and at < self.newest:
            return "STALE"
        self.newest, self.hidden, self.device = at, device is None, device or self.device
        if self.allowed is None:
            return "NOT_BOUND"
        if device is None:
            self.suspect()
            return "UNKNOWN"
        self.allowed = self.allowed or frozenset([device])
        if self.permits(device):
            self.state = "LOCKED"
            self.barred = self.barred and self.policy[2] == "manual"
            return "MATCH"
        self.state = "DIFFERED"
        self.barred = self.barred or self.policy[0] == "enforce"
        return "MISMATCH"

    def suspect(self) -> None:
        """The device is not known: the policy says what that means; a stolen SIM does not get free by hiding."""
        if self.policy[0] == "enforce" and (self.policy[1] == "deny" or self.state == "DIFFERED"):
            self.barred = True

    def bind(self, allowed: frozenset[str] | None, policy: tuple[str, str, str]) -> None:
        """Bind anew; None: to what somebody named before, or the device it is in, or else the first one seen."""
        if allowed is None and self.named:
            if policy == self.policy:
                return
            allowed = self.allowed
        else:
            self.named = bool(allowed)
        if allowed is None:
            allowed = frozenset([self.device] if self.device else [])
        self.allowed, self.policy, self.barred = allowed, policy, False
        fits = self.device is None or not allowed or self.permits(self.device)
        self.state = "ARMED" if not allowed else "LOCKED" if fits else "DIFFERED"
        if self.newest is not None and self.hidden:
            self.suspect()
        self.barred = self.barred or (self.state == "DIFFERED" and policy[0] == "enforce")

    def unbind(self) -> bool:
        """Whether it was bound."""
        was, self.allowed, self.state, self.barred = self.allowed is not None, None, "NEUTRAL", False
        self.named = False
        return was

    def resume(self) -> bool:
        """A person opens a SIM that came back; whether that is allowed now."""
        denied = self.hidden and self.policy[:2] == ("enforce", "deny")
        if self.allowed is None or self.state == "DIFFERED" or denied:
            return False
        self.barred = False
        return True
