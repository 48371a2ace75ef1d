"""Operators log in: password and second factor, bounded attempts, sessions, and the code that begins it all."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from simwarden.accounts import totp
from simwarden.accounts.passwords import Passwords, check_new
from simwarden.accounts.roles import Role
from simwarden.domain.errors import IncompatibleState, InvalidValue, SimwardenError
from simwarden.edge.clients import group
from simwarden.kit.clock import now_utc
from simwarden.kit.ids import random_name
from simwarden.store.people import OperatorSession, People, User

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from simwarden.accounts.openid import Identity
    from simwarden.store.vault import Vault

TOKEN_PREFIX = "sos_"  # noqa: S105 - what secret scanners are to look for, not a secret
SETUP_PREFIX = "swsetup_"
WINDOW = timedelta(minutes=15)
PER_PAIR = 5
"""Attempts in a window for one e-mail address from one client address,"""
PER_EMAIL = 50
"""for one e-mail address from client addresses from which that person was not logged in,"""
PER_ADDRESS = 100
"""and from one client address, whatever e-mail address they name. A /64 of IPv6 counts as one address."""
CODE_WINDOW = timedelta(hours=1)
PER_CODE = 10
"""Second factors in an hour that one person may try, from wherever: a code is one of a million, and three are good."""
SETUP_FOR = timedelta(hours=24)
RECOVERY_CODES = 10
KNOWN_FOR = timedelta(days=90)
"""For how long an address stays one from which somebody was logged in."""
TOUCHED_EVERY = timedelta(minutes=1)
MAX_EMAIL = 254


class WrongCredentials(SimwardenError):
    """The e-mail address, the password or the code is wrong, or this person may not log in."""

    status, code = 401, "UNAUTHENTICATED"

    def __init__(self, user: User | None = None) -> None:
        super().__init__()
        self.user = user
        """Whose log-in it was, where that is somebody."""


class TooManyAttempts(SimwardenError):
    """Too many attempts to log in have failed."""

    status, code = 429, "TOO_MANY_REQUESTS"

    def __init__(self, seconds: float) -> None:
        self.retry_after: int = max(1, round(seconds))
        super().__init__(f"Too many attempts to log in have failed. Try again in {self.retry_after} seconds")


class CodeNeeded(Exception):
    """The password is right; a code of the second factor is needed with it."""


class InvalidEmail(InvalidValue):
    """An e-mail address has a local part, an @ and a domain, and 254 characters at most."""


class Opened(msgspec.Struct, frozen=True):
    """Somebody is logged in."""

    user: User
    session: OperatorSession
    token: str
    """Shown this once."""


class Logins:
    """Every method may raise StoreUnavailable."""

    def __init__(
        self,
        people: People,
        vault: Vault,
        passwords: Passwords | None = None,
        *,
        idle: timedelta = timedelta(minutes=30),
        life: timedelta = timedelta(hours=12),
        second_factor: bool = False,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        """A session ends when it was not used for `idle`, and `life` after its beginning at the latest. With
        `second_factor`, who has none may do nothing but get one."""
        self.people = people
        self._vault = vault
        self._passwords = passwords or Passwords()
        self.idle = idle
        self._life = life
        self.second_factor = second_factor
        self._clock = clock

    async def log_in(self, email: str, password: str, code: str | None, recovery: str | None, address: str) -> Opened:
        """Raises WrongCredentials, CodeNeeded, TooManyAttempts, Busy. An unknown address takes as long as a known one.

        Which of both was wrong nobody learns. That a password is right is learnt by who has it, when a code is needed.
        """
        email = email.strip().lower()
        pair, mine, theirs = self._keys(email, address)
        user = await self.people.by_email(email)
        await self._attempt({theirs: PER_ADDRESS}, WINDOW)  # first: invented e-mail addresses become no more rows then
        await self._attempt({pair: PER_PAIR, mine: PER_EMAIL}, WINDOW, (user, group(address)), mine)
        usable = user is not None and user.disabled_at is None
        right = await self._passwords.is_right(password, user.password if user is not None and usable else None)
        if user is None or not right:
            raise WrongCredentials(user)
        try:
            await self._second(user, code, recovery)
        except CodeNeeded:
            await self.people.forgive((), (pair, mine, theirs))
            raise
        await self.people.forgive((pair,), (mine, theirs))
        return await self.opened(user, address, "password")

    async def set_up(
        self, setup_code: str, password: str, code: str | None, recovery: str | None, address: str
    ) -> Opened:
        """Set a password with a code that an administrator handed out, and log in.

        Raises WrongCredentials, CodeNeeded, WeakPassword, TooManyAttempts, Busy.
        """
        async with self.tried_from(address):
            hashed, now = _hashed(setup_code), self._clock()
            user = await self.people.setup(hashed, now)
            if user is None:
                raise WrongCredentials
            check_new(password, user.email)
            await self._second(user, code, recovery)
            stored = await self._passwords.hashed(password)
            if not await self.people.use_setup(hashed, now):
                raise WrongCredentials
            await self.people.set_password(user.id, stored, keep=None)
        return await self.opened(user, address, "setup")

    async def first(self, code: str, email: str, name: str, password: str, address: str) -> Opened:
        """Make the first person, an administrator, with the code that `first_code` gives, and log in.

        Raises WrongCredentials, IncompatibleState when there is somebody, InvalidEmail, WeakPassword, TooManyAttempts.
        """
        async with self.tried_from(address):
            if not hmac.compare_digest(_hashed(code.strip().lower()), _hashed(first_code(self._vault))):
                raise WrongCredentials
            email = checked_email(email)
            check_new(password, email)
            if await self.people.any():
                raise IncompatibleState("There is somebody already: administrators invite others")
            stored = await self._passwords.hashed(password)
            user = await self.people.add_first(
                *(f"usr_{random_name(12)}", email, name, Role.ADMIN, stored, self._clock())
            )
            if user is None:
                raise IncompatibleState("There is somebody already: administrators invite others")
        return await self.opened(user, address, "setup")

    @contextlib.asynccontextmanager
    async def tried_from(self, address: str) -> AsyncIterator[None]:
        """Count what fails for the client address that it comes from. Raises TooManyAttempts."""
        theirs = self._key("address", group(address))
        await self._attempt({theirs: PER_ADDRESS}, WINDOW)
        yield
        await self.people.forgive((), (theirs,))

    async def known(self, identity: Identity, address: str) -> Opened:
        """Log in who an OpenID provider knows; the first time he is made. Another role than before ends his sessions.

        Raises WrongCredentials when he is locked.
        """
        user = await self.people.by_subject(identity.issuer, identity.subject)
        if user is None:
            user = await self.people.add(
                *(f"usr_{random_name(12)}", identity.email, identity.name, identity.role, self._clock()),
                issuer=identity.issuer,
                subject=identity.subject,
            )
        if user.disabled_at is not None:
            raise WrongCredentials(user)
        if (user.email, user.name) != (identity.email, identity.name):
            await self.people.rename(user.id, identity.email, identity.name)
        if user.role != identity.role and not await self.people.change_role(user.id, identity.role):
            raise WrongCredentials(user)
        return await self.opened(await self.people.get(user.id), address, "openid")

    async def opened(self, user: User, address: str, method: str) -> Opened:
        """A new session, with a token of its own whatever came before. Raises WrongCredentials when he is locked."""
        token = TOKEN_PREFIX + secrets.token_urlsafe(32)
        now = self._clock()
        session = OperatorSession(f"ses_{random_name(16)}", user.id, now, now, now + self._life, address, method)
        if not await self.people.open_session(session, _hashed(token), group(address)):
            raise WrongCredentials(user)
        return Opened(user, session, token)

    async def holder(self, token: str) -> tuple[User, OperatorSession] | None:
        """Whose session this is; None: nobody's, or it has ended."""
        now = self._clock()
        found = await self.people.session(_hashed(token), now, now - self.idle)
        if found is not None and now - found[1].used_at >= TOUCHED_EVERY:
            await self.people.touch(found[1].id, now)
        return found

    async def change_password(self, user: User, session: str, current: str, new: str, address: str) -> None:
        """Other sessions end. Raises WrongCredentials, WeakPassword, TooManyAttempts, IncompatibleState, Busy."""
        if user.password is None:
            raise IncompatibleState("This person logs in at an OpenID provider and has no password here")
        await self._right_password(user, current, address)
        check_new(new, user.email)
        await self.people.set_password(user.id, await self._passwords.hashed(new), keep=session)

    async def offer_totp(self, user: User, current: str, address: str) -> bytes:
        """The secret of a second factor, which holds when a code has proved that it arrived.

        Raises WrongCredentials, TooManyAttempts, IncompatibleState, Busy.
        """
        if user.password is None:
            raise IncompatibleState("This person logs in at an OpenID provider, which asks for the second factor")
        await self._right_password(user, current, address)
        secret = totp.new_secret()
        await self.people.offer_totp(user.id, self._vault.seal(secret, _purpose(user.id)))
        return secret

    async def confirm_totp(self, user: User, code: str) -> list[str]:
        """Recovery codes, which are shown this once. Raises WrongCredentials, TooManyAttempts, IncompatibleState."""
        if user.totp_pending is None:
            raise IncompatibleState("No second factor was begun")
        await self._attempt({self._key("code", user.id): PER_CODE}, CODE_WINDOW)
        step = totp.matching(self._vault.open(user.totp_pending, _purpose(user.id)), code, self._clock())
        if step is None:
            raise WrongCredentials
        codes = [f"{random_name(5)}-{random_name(5)}-{random_name(5)}" for _ in range(RECOVERY_CODES)]
        if not await self.people.confirm_totp(user.id, step, user.totp_pending, [_hashed(each) for each in codes]):
            raise WrongCredentials
        await self.people.forgive((self._key("code", user.id),))
        return codes

    async def invite(self, email: str, name: str, role: Role, manages: str | None = None) -> tuple[User, str]:
        """A new person and the code with which he sets his password. Raises InvalidEmail, AlreadyExists."""
        user = await self.people.add(
            f"usr_{random_name(12)}", checked_email(email), name, role, self._clock(), manages=manages
        )
        return user, await self.renew_setup(user, drop_factor=False, end_sessions=False)

    async def renew_setup(self, user: User, *, drop_factor: bool, end_sessions: bool) -> str:
        """A new code with which a person sets a password; the one before is no good. Raises IncompatibleState."""
        if user.issuer is not None:
            raise IncompatibleState("This person logs in at an OpenID provider and has no password here")
        code = SETUP_PREFIX + secrets.token_urlsafe(24)
        until = self._clock() + SETUP_FOR
        await self.people.put_setup(user.id, _hashed(code), until, drop_factor=drop_factor, end_sessions=end_sessions)
        return code

    async def prune(self) -> None:
        """Forget what is over."""
        now = self._clock()
        await self.people.prune(now, now - self.idle, now - CODE_WINDOW, now - KNOWN_FOR)

    async def _right_password(self, user: User, given: str, address: str) -> None:
        pair, _, theirs = self._keys(user.email, address)
        await self._attempt({pair: PER_PAIR, theirs: PER_ADDRESS}, WINDOW)
        if not await self._passwords.is_right(given, user.password):
            raise WrongCredentials
        await self.people.forgive((pair,), (theirs,))

    async def _second(self, user: User, code: str | None, recovery: str | None) -> None:
        """Raises CodeNeeded, WrongCredentials, TooManyAttempts."""
        if user.totp is None:
            return
        if code is None and recovery is None:
            raise CodeNeeded
        key = self._key("code", user.id)
        await self._attempt({key: PER_CODE}, CODE_WINDOW)
        if code is not None:
            step = totp.matching(self._vault.open(user.totp, _purpose(user.id)), code, self._clock())
            right = step is not None and await self.people.use_totp(user.id, step)
        else:
            right = await self.people.use_recovery(user.id, _hashed((recovery or "").strip().lower()))
        if not right:
            raise WrongCredentials(user)
        await self.people.forgive((key,))

    async def _attempt(
        self,
        allowed: dict[bytes, int],
        window: timedelta,
        who: tuple[User | None, str] = (None, ""),
        spared: bytes = b"",
    ) -> None:
        """Count an attempt. Raises TooManyAttempts.

        The limit of the key `spared` does not hold where that person was logged in before: who fails on purpose under
        another's name does not shut him out.
        """
        now = self._clock()
        counted = await self.people.attempt(sorted(allowed), now, now - window)
        for key, (attempts, since) in counted.items():
            if attempts <= allowed[key]:
                continue
            user, address = who
            if key == spared and user is not None and await self.people.knows(user.id, address):
                continue
            raise TooManyAttempts((since + window - now).total_seconds())

    def _keys(self, email: str, address: str) -> tuple[bytes, bytes, bytes]:
        client = group(address)
        return (
            self._key("pair", f"{email[:MAX_EMAIL]}\n{client}"),
            self._key("email", email[:MAX_EMAIL]),
            self._key("address", client),
        )

    def _key(self, kind: str, value: str) -> bytes:
        return self._vault.fingerprint(value.encode(errors="replace"), f"attempts:{kind}")


def first_code(vault: Vault) -> str:
    """What makes the first person, as long as there is none: 75 bits that follow from the master key."""
    text = base64.b32encode(vault.keyed_digest(b"first person", "set-up")).decode().lower()
    return "-".join(text[at : at + 5] for at in (0, 5, 10))


def checked_email(email: str) -> str:
    """In small letters. Raises InvalidEmail."""
    local, at, domain = email.strip().lower().rpartition("@")
    text = f"{local}{at}{domain}"
    if (
        not local
        or "." not in f"{domain}."
        or not domain
        or len(text) > MAX_EMAIL
        or not text.isprintable()
        or " " in text
    ):
        raise InvalidEmail
    return text


def _hashed(secret: str) -> bytes:
    """What is stored of a secret that we chose: 75 random bits or more, so a slow hash would protect nothing."""
    return hashlib.sha256(secret.encode(errors="replace")).digest()


def _purpose(user_id: str) -> str:
    return f"totp:{user_id}"
