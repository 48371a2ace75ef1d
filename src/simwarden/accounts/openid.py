"""Operators log in at an OpenID provider (OpenID Connect Core 1.0: authorization code flow, with PKCE, RFC 7636).

What the provider says of a person's groups decides the role, at each log-in anew. What has to be remembered between the
way there and the way back is sealed and handed to who began; nothing is stored, so any worker can go on.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
import secrets
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlencode, urlsplit

import aiohttp
import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from simwarden.accounts.roles import Role
from simwarden.domain.errors import SimwardenError
from simwarden.store.vault import WrongKey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simwarden.store.vault import Vault

ALGORITHMS = ["RS256", "PS256", "ES256", "ES384", "EdDSA"]
"""Of ID tokens; neither `none` nor anything with a shared secret."""
PENDING = 600
"""Seconds from the beginning of a log-in to its end."""
SKEW = 60
"""Seconds that the provider's clock may be wrong."""
KEPT = 3600
"""Seconds for which the provider's metadata and keys are kept."""
KEYS_AGAIN = 60
"""Seconds between two looks at its keys because of a key that is not known."""
AGAIN = 5.0
"""Seconds after which a provider that could not be reached is asked again: each question may take ten."""
MAX_ANSWER = 256 * 1024
_PURPOSE = "openid-login"
_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|\[::1\]):[0-9]{1,5}/callback")
_RANK = (Role.ADMIN, Role.OPERATOR, Role.BILLING, Role.VIEWER)


class NoProvider(SimwardenError):
    """No OpenID provider is set (SIMWARDEN_LOGIN_ISSUER)."""

    status, code = 404, "NOT_FOUND"


class ProviderFailed(SimwardenError):
    """The OpenID provider cannot be reached, or does not answer as it should."""

    status, code = 503, "UNAVAILABLE"


class LoginRefused(SimwardenError):
    """The log-in at the OpenID provider was not completed, is over, or is another one's."""

    status, code = 401, "UNAUTHENTICATED"


class NoRole(SimwardenError):
    """None of this person's groups has a role here (SIMWARDEN_LOGIN_ROLES)."""

    status, code = 403, "PERMISSION_DENIED"


class InvalidLoginRedirect(SimwardenError, ValueError):
    """A redirect URI is this server's /console/login, or http://127.0.0.1:PORT/callback."""

    status, code = 400, "INVALID_ARGUMENT"


class Identity(msgspec.Struct, frozen=True):
    """Who logged in, as the provider says."""

    issuer: str
    subject: str
    email: str
    name: str
    role: Role


class _Pending(msgspec.Struct, frozen=True):
    state: str
    nonce: str
    verifier: str
    redirect: str
    ends: float


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """The settings."""

    issuer: str
    client_id: str
    client_secret: str | None = None
    scope: str = "openid email profile"
    claim: str = "groups"
    """Of the ID token: a list of groups, or one; with dots a claim within a claim."""
    roles: Mapping[str, Role] = {}
    """Group to role; the highest counts."""


def roles_of(text: str) -> dict[str, Role]:
    """`GROUP=ROLE,...` as a mapping. Raises ValueError."""
    pairs = [part.rpartition("=") for part in text.split(",") if part.strip()]
    return {group.strip(): Role(role.strip()) for group, _, role in pairs}


class OpenIdLogin:
    """Speaks with the provider. Every method may raise ProviderFailed."""

    def __init__(
        self,
        provider: Provider,
        session: Callable[[], aiohttp.ClientSession],
        vault: Vault,
        base_urls: tuple[str, ...],
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`base_urls`: where this server's pages are, without a slash at the end."""
        self._provider = provider
        self._session = session
        self._vault = vault
        self._redirects = frozenset(f"{url}/console/login" for url in base_urls)
        self._now = now
        self._metadata: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None
        self._looking = asyncio.Lock()
        self._failed_at = float("-inf")

    async def begin(self, redirect: str) -> tuple[str, str]:
        """Where the browser is sent, and what has to come back with the code. Raises InvalidLoginRedirect."""
        if redirect not in self._redirects and not _LOOPBACK.fullmatch(redirect):
            raise InvalidLoginRedirect
        metadata = await self._discovered()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        pending = _Pending(state, nonce, verifier, redirect, self._now() + PENDING)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code",
            "client_id": self._provider.client_id,
            "redirect_uri": redirect,
            "scope": self._provider.scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        endpoint = metadata["authorization_endpoint"]
        url = f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"
        sealed = self._vault.seal(msgspec.json.encode(pending), _PURPOSE)
        return url, base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    async def finish(self, login_id: str, code: str, state: str, issuer: str | None) -> Identity:
        """Who it is. `issuer`: as the provider named itself on the way back (RFC 9207), if it did.

        Raises LoginRefused, NoRole.
        """
        pending = self._opened(login_id)
        if not hmac.compare_digest(pending.state.encode(), state.encode()) or pending.ends <= self._now():
            raise LoginRefused
        if issuer is not None and issuer != self._provider.issuer:
            raise LoginRefused
        metadata = await self._discovered()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": pending.redirect,
            "code_verifier": pending.verifier,
            "client_id": self._provider.client_id,
        }
        status, answer = await self._json("POST", metadata["token_endpoint"], self._credentials(), data=form)
        if status != 200 or not isinstance(answer.get("id_token"), str):
            if status >= 500:
                raise ProviderFailed
            raise LoginRefused
        claims = await self._claims(answer["id_token"], pending.nonce)
        return self._identity(claims)

    def _credentials(self) -> dict[str, str]:
        """HTTP Basic (RFC 6749 clause 2.3.1)."""
        secret = self._provider.client_secret
        if secret is None:
            return {}
        pair = f"{quote_plus(self._provider.client_id)}:{quote_plus(secret)}"
        return {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    def _opened(self, login_id: str) -> _Pending:
        try:
            sealed = base64.urlsafe_b64decode(login_id.encode("ascii") + b"==")
            return msgspec.json.decode(self._vault.open(sealed, _PURPOSE), type=_Pending)
        except (ValueError, WrongKey) as error:
            raise LoginRefused from error

    def _identity(self, claims: dict[str, Any]) -> Identity:
        found: Any = claims
        for part in self._provider.claim.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        found = [found] if isinstance(found, str) else found if isinstance(found, list) else []
        groups = {each for each in found if isinstance(each, str)}
        roles = {self._provider.roles[group] for group in groups & self._provider.roles.keys()}
        if not roles:
            raise NoRole
        email = str(claims.get("email") or claims.get("preferred_username") or claims["sub"]).lower()[:254]
        name = str(claims.get("name") or email)[:100]
        return Identity(claims["iss"], claims["sub"], email, name, next(role for role in _RANK if role in roles))

    async def _claims(self, token: str, nonce: str) -> dict[str, Any]:
        """What an ID token says (OpenID Connect Core 3.1.3.7). Raises LoginRefused."""
        for attempt in (1, 2):
            keys = await self._key_set(again=attempt == 2)
            try:
                claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
                break
            except (JoseError, ValueError) as error:
                if attempt == 2:
                    raise LoginRefused from error
        audience = claims.get("aud")
        audiences = [audience] if isinstance(audience, str) else audience
        now, mine = self._now(), self._provider.client_id
        exp, iat = claims.get("exp"), claims.get("iat")
        good = (
            claims.get("iss") == self._provider.issuer
            and isinstance(claims.get("sub"), str)
            and isinstance(audiences, list)
            and mine in audiences
            and claims.get("azp", mine) == mine
            and (len(audiences) == 1 or "azp" in claims)
            and isinstance(exp, (int, float))
            and isinstance(iat, (int, float))
            and exp > now - SKEW
            and iat < now + SKEW
            and hmac.compare_digest(str(claims.get("nonce")).encode(), nonce.encode())
        )
        if not good:
            raise LoginRefused
        return dict(claims)

    async def _discovered(self) -> dict[str, Any]:
        async with self._looking:  # one asks, however many begin to log in
            if self._metadata is not None and self._now() - self._metadata[0] < KEPT:
                return self._metadata[1]
            if 0 <= self._now() - self._failed_at < AGAIN:
                raise ProviderFailed
            try:
                self._metadata = self._now(), await self._look_up()
            except ProviderFailed:
                self._failed_at = self._now()
                raise
            return self._metadata[1]

    async def _look_up(self) -> dict[str, Any]:
        url = self._provider.issuer.rstrip("/") + "/.well-known/openid-configuration"
        status, found = await self._json("GET", url)
        wanted = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        if status != 200 or found.get("issuer") != self._provider.issuer:
            raise ProviderFailed
        if not all(isinstance(found.get(name), str) and _is_safe(found[name]) for name in wanted):
            raise ProviderFailed
        return found

    async def _key_set(self, *, again: bool) -> KeySet:
        now = self._now()
        if self._keys is not None and now - self._keys[0] < (KEYS_AGAIN if again else KEPT):
            return self._keys[1]
        status, found = await self._json("GET", (await self._discovered())["jwks_uri"])
        try:
            keys = KeySet.import_key_set(found)  # type: ignore[arg-type]
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise ProviderFailed from error
        if status != 200:
            raise ProviderFailed
        self._keys = now, keys
        return keys

    async def _json(
        self, method: str, url: str, headers: Mapping[str, str] = MappingProxyType({}), **options: Any
    ) -> tuple[int, dict[str, Any]]:
        if not _is_safe(url):
            raise ProviderFailed
        asked = {"accept": "application/json", **headers}
        timeout = aiohttp.ClientTimeout(total=10)
        try:
            async with self._session().request(
                method, url, timeout=timeout, allow_redirects=False, headers=asked, **options
            ) as answer:
                body = b""
                async for piece in answer.content.iter_any():
                    body += piece
                    if len(body) > MAX_ANSWER:
                        raise ProviderFailed
                found = msgspec.json.decode(body)
                return answer.status, found if isinstance(found, dict) else {}
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise ProviderFailed from error


def _is_safe(url: str) -> bool:
    """TLS, or this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost"))
