"""What the authorization server says of itself (OpenID Connect Discovery clause 3, RFC 8414)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.accounts import code_challenge, server
from simwarden.accounts.jwks import ALGORITHMS
from simwarden.accounts.keys import ALGORITHM
from simwarden.accounts.purposes import OPENID, PREFIX, PURPOSES
from simwarden.accounts.scopes import KNOWN

if TYPE_CHECKING:
    from simwarden.accounts.server import AuthorizationServer

_WAYS = ["client_secret_basic", "client_secret_post", "private_key_jwt"]


def metadata(of: AuthorizationServer) -> dict[str, object]:
    """The document. Everything in it is so."""
    signed = list(ALGORITHMS)
    found: dict[str, object] = {
        "issuer": of.issuer,
        "authorization_endpoint": of.address(server.AUTHORIZATION_PATH),
        "token_endpoint": of.address(server.TOKEN_PATH),
        "backchannel_authentication_endpoint": of.address(server.BACKCHANNEL_PATH),
        "introspection_endpoint": of.address(server.INTROSPECTION_PATH),
        "revocation_endpoint": of.address(server.REVOCATION_PATH),
        "jwks_uri": of.address(server.JWKS_PATH),
        "grant_types_supported": [server.CLIENT_CREDENTIALS, *server.AGREED_GRANTS.values()],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": [code_challenge.METHOD],
        "authorization_response_iss_parameter_supported": True,
        "request_parameter_supported": True,
        "request_uri_parameter_supported": False,
        "claims_parameter_supported": False,
        "prompt_values_supported": ["none", "consent"],
        "request_object_signing_alg_values_supported": signed,
        "backchannel_token_delivery_modes_supported": ["poll"],
        "backchannel_authentication_request_signing_alg_values_supported": signed,
        "backchannel_user_code_parameter_supported": False,
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "claims_supported": ["iss", "sub", "aud", "iat", "exp", "auth_time", "nonce"],
        "scopes_supported": [OPENID, *(PREFIX + each for each in sorted(PURPOSES)), *KNOWN],
    }
    for endpoint in ("token", "introspection", "revocation"):
        found[f"{endpoint}_endpoint_auth_methods_supported"] = _WAYS
        found[f"{endpoint}_endpoint_auth_signing_alg_values_supported"] = signed
    return found
