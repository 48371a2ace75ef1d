"""`simwarden app client`, `simwarden app key` and `simwarden consent`: ways to a token that are agreed one by one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from simwarden.cli.building import Plain, add_all, examples
from simwarden.cli.common import Group, json_option
from simwarden.cli.printing import print_fields, print_json
from simwarden.cli.remote import Access, Remote, access_options, segment, with_server


def fields(found: dict[str, Any]) -> dict[str, Any]:
    """What is shown of a client."""
    keys = [f"{key['kid']} ({key.get('crv', key['kty'])})" for key in found["keys"]]
    return {
        "APPKEY": found["appKey"],
        "Ways to a token": " ".join(["client_credentials", *found["grants"]]),
        "Purposes": " ".join(found["purposes"]) or "none",
        "Keys": found["keysUrl"] or ", ".join(keys) or "none",
        "Secret": "opens nothing" if found["keysOnly"] else "good",
        "Redirect URIs": " ".join(found["redirectUris"]) or "none",
        "Asks users": "yes" if found["asksUser"] else "no",
        "Outside id": found["outsideId"],
        "Signs requests": "yes" if found["signs"] else "no",
    }


@click.group(cls=Group)
def client() -> None:
    """What was agreed with an application beside its APPKEY and APPSECRET.

    Tokens about a single SIM (3-legged) are had by ciba, jwt_bearer or authorization_code: agree on one of them, and on
    the purposes that the application may declare. Consent is another matter: simwarden consent --help
    """


add_all(
    client,
    [
        Plain(verb="show", operation="getClient", examples=("app client show ACME/meters",), fields=fields),
        Plain(
            verb="set",
            operation="changeClient",
            names={"grants": "grant", "purposes": "purpose", "redirectUris": "redirect-uri"},
            texts={
                "grants": "authorization_code, ciba or jwt_bearer; repeatable, in place of those before; or none.",
                "purposes": "Of the Data Privacy Vocabulary; repeatable, in place of those before; or none.",
                "redirectUris": "Where codes may be sent; repeatable, in place of those before; or none.",
            },
            splits=("grants", "purposes"),
            urls=("keysUrl",),
            help="Agree with an application.\n\nWhat is not given stays. It holds for the next token.",
            examples=(
                "app client set ACME/meters --grant ciba --purpose ServiceProvision",
                "app client set ACME/meters --redirect-uri https://app.example/back",
                "app client set ACME/meters --keys-url https://app.example/jwks",
                "app client set ACME/meters --keys-only",
            ),
            fields=fields,
        ),
    ],
)


@click.group(cls=Group)
def key() -> None:
    """Public keys of an application, with which it proves who it is (private_key_jwt)."""


@key.command(
    epilog=examples(("app key add ACME/meters meters.pub.pem", "app key add ACME/meters key.json  a JWK (RFC 7517)"))
)
@click.argument("application", metavar="ACCOUNT/APP")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--kid", help="What the application calls the key, in place of its thumbprint.")
@access_options
@json_option
def add(application: str, file: Path, kid: str | None, access: Access, *, as_json: bool) -> None:
    """Give an application a public key: RSA, EC (P-256, P-384) or Ed25519, as PEM or JWK.

    The file never holds the private key: that one stays with the application.
    """
    jwk = _jwk(file)
    if kid is not None:
        jwk["kid"] = kid

    async def work(remote: Remote) -> Any:
        path = f"/applications/{segment(await remote.application(application))}/client/keys"
        return await remote.call("POST", path, {"key": jwk})

    found = with_server(work, access)
    if as_json:
        print_json(found)
    else:
        print_fields(fields(found))


def _jwk(file: Path) -> dict[str, Any]:
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, OKPKey, RSAKey

    text = file.read_text(encoding="utf-8", errors="replace").strip()
    if "PRIVATE KEY" in text:
        raise click.UsageError(f"{file} holds a private key: give the public one (openssl pkey -pubout)")
    try:
        if text.startswith("{"):
            found: dict[str, Any] = json.loads(text)
            return found
        for kind in (RSAKey, ECKey, OKPKey):
            try:
                return dict(kind.import_key(text).as_dict(private=False))
            except (JoseError, ValueError, TypeError, AttributeError):
                continue
    except ValueError as error:
        raise click.UsageError(f"{file} is no JSON: {error}") from error
    raise click.UsageError(f"{file} is no public key in PEM or as JWK")


add_all(
    key,
    [
        Plain(
            verb="remove",
            operation="removeClientKey",
            arguments=("kid",),
            help="Take a key away. What it signs is refused from now on.",
            examples=("app key remove ACME/meters meters-1",),
            fields=fields,
        ),
    ],
)


@click.group("signing", cls=Group)
def signing() -> None:
    """The secret with which an application signs requests, in place of carrying a token (China Telecom's manner)."""


add_all(
    signing,
    [
        Plain(
            verb="issue",
            operation="issueSigningSecret",
            names={"overlapSeconds": "overlap"},
            texts={"overlapSeconds": "How long the secret before stays good, as 3600, 30m, 24h or 7d [0]."},
            seconds=("overlapSeconds",),
            help="Give an application a new secret to sign requests with, shown this once.",
            examples=("app signing issue ACME/meters", "app signing issue ACME/meters --overlap 24h"),
            fields=lambda found: {**fields(found), "Signing secret": found["signingSecret"]},
            after="The secret is not shown again: store it now.",
        ),
        Plain(
            verb="remove",
            operation="removeSigningSecret",
            help="Take the secret away. Signed requests are refused from now on.",
            examples=("app signing remove ACME/meters",),
            done="{applicationid} signs no requests any more",
        ),
    ],
)


@click.group(cls=Group)
def consent() -> None:
    """Consent: which application may use the data of which SIMs for what.

    The account that owns a SIM decides, for all its SIMs or for one. Any refusal counts, and one grant is enough. A
    token about a SIM is had with consent only, and ends with it.
    """


def _decision(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "Application": found["application"],
        "Purpose": found["purpose"],
        "SIM": found.get("phoneNumber") or "all of the account",
        "Decision": "granted" if found["granted"] else "refused",
        "Scopes": " ".join(found.get("scopes", ())) or "all of the application",
    }


def _decide(verb: str, text: str, *, granted: bool, example: str) -> Plain:
    return Plain(
        verb=verb,
        operation="setConsent",
        arguments=("application", "purpose"),
        fixed={"granted": granted},
        hidden=() if granted else ("scopes",),
        names={"application": "ACCOUNT/APP", "phoneNumber": "sim", "scopes": "scope"},
        texts={
            "phoneNumber": "Phone number of one SIM [all of the account].",
            "scopes": "To this scope only; repeatable.",
        },
        splits=("scopes",),
        help=text,
        examples=(example, f"{example} --sim +8613800000001"),
        fields=_decision,
    )


add_all(
    consent,
    [
        _decide(
            "give",
            "Give consent. Requests that wait for it go on.",
            granted=True,
            example="consent give ACME/meters ServiceProvision",
        ),
        _decide(
            "refuse",
            "Refuse consent. Tokens that rest on it end at once.",
            granted=False,
            example="consent refuse ACME/meters ServiceProvision",
        ),
        Plain(
            verb="withdraw",
            operation="withdrawConsent",
            arguments=("application", "purpose"),
            names={"application": "ACCOUNT/APP"},
            help="Forget a decision: the question is open again. Tokens that rest on it end at once.",
            examples=("consent withdraw ACME/meters ServiceProvision",),
            done="{application} {purpose}: nobody has decided",
        ),
        Plain(
            verb="list",
            operation="listConsents",
            examples=("consent list --account ACME", "consent list --application ACME/meters"),
            columns=("application", "purpose", "phoneNumber", "granted", "decidedBy", "decidedAt", "scopes"),
            empty="No decisions yet: simwarden consent give --help",
        ),
        Plain(
            verb="waiting",
            operation="listConsentRequests",
            arguments=("application",),
            names={"application": "ACCOUNT/APP"},
            help="List requests for a token about a SIM (CIBA) on which nobody has decided, the oldest first.",
            examples=("consent waiting ACME/meters",),
            columns=("phoneNumber", "purpose", "since", "expiresAt", "scopes"),
            rows="requests",
            empty="Nothing waits",
        ),
    ],
)
