"""The page on which whoever uses a SIM is asked for consent: plain HTML without script, complete in itself."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from string import Template
from typing import TYPE_CHECKING

from starlette.responses import Response
from yarl import URL

from simwarden.accounts.scopes import KNOWN
from simwarden.accounts.server import CONSENT_PATH

if TYPE_CHECKING:
    from collections.abc import Iterable

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --faint: #4d5761; --ground: #f4f5f7; --card: #fff; --line: #c9ced6;
  --accent: #0b5cad; --on-accent: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --faint: #b0b8c1; --ground: #14171a; --card: #1e2226;
  --line: #3a4149; --accent: #7ab8ff; --on-accent: #0a1a2b; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 1.5rem 1rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
main { max-width: 34rem; margin: 4vh auto; padding: 1.75rem 2rem 2rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .5rem; }
h1 { margin: 0 0 1rem; font-size: 1.4rem; line-height: 1.3; }
dl { margin: 0 0 1.5rem; }
dt { margin-top: .9rem; color: var(--faint); font-size: .9rem; }
dd { margin: 0; }
ul { margin: .2rem 0 0; padding-left: 1.2rem; }
p { margin: 0 0 1.25rem; }
form { display: flex; flex-wrap: wrap; gap: .75rem; }
button { flex: 1 1 9rem; min-height: 2.75rem; padding: .5rem 1rem; font: inherit; border-radius: .375rem;
  border: 1px solid var(--accent); background: transparent; color: var(--accent); cursor: pointer; }
button[value=allow] { background: var(--accent); color: var(--on-accent); font-weight: 600; }
button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.note { margin: 1.25rem 0 0; color: var(--faint); font-size: .9rem; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_FRAME = Template(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>$style</style>
</head>
<body>
<main>
<h1>$title</h1>
$body
</main>
</body>
</html>
"""
)
_QUESTION = Template(
    """<p><strong>$application</strong> of <strong>$account</strong> asks to use data of the SIM that connects this
device to the mobile network.</p>
<dl>
<dt>SIM</dt><dd>phone number that ends with $ending</dd>
<dt>Purpose</dt><dd>$purpose</dd>
<dt>What it may do</dt><dd><ul>$scopes</ul></dd>
</dl>
<form method="post" action="$action">
<input type="hidden" name="ticket" value="$ticket">
<button type="submit" name="decision" value="allow">Allow</button>
<button type="submit" name="decision" value="refuse">Refuse</button>
</form>
<p class="note">Either way you go back to $host. The owner of the SIM can end this at any time.</p>"""
)
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def question(
    *, application: str, account: str, msisdn: str, purpose: str, scopes: Iterable[str], redirect_uri: str, ticket: str
) -> Response:
    """The page that asks."""
    back = URL(redirect_uri, encoded=True)
    said = {
        "application": application,
        "account": account,
        "ending": msisdn[-4:],
        "purpose": in_words(purpose),
        "action": CONSENT_PATH,
        "ticket": ticket,
        "host": back.raw_authority,
    }
    listed = "".join(f"<li>{html.escape(KNOWN.get(scope, scope))}</li>" for scope in scopes)
    body = _QUESTION.substitute({name: html.escape(text) for name, text in said.items()}, scopes=listed)
    # A form's redirect is held against form-action too: without the client's origin the way back would be blocked.
    return page("Allow access to this SIM?", body, form_action=f"'self' {back.scheme}://{back.raw_authority}")


def refusal(text: str, status: int = 400) -> Response:
    """The page for who cannot be sent back, because it is not sure where to."""
    return page("This request cannot be answered", f"<p>{html.escape(text)}</p>", status=status)


def page(title: str, body: str, *, status: int = 200, form_action: str = "'none'") -> Response:
    """A page of its own, which nobody may frame, keep, or run anything in."""
    policy = (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action {form_action}; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    headers = {
        "content-security-policy": policy,
        "x-frame-options": "DENY",
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cache-control": "no-store",
        "pragma": "no-cache",
        "cross-origin-opener-policy": "same-origin",
    }
    text = _FRAME.substitute(title=html.escape(title), style=_STYLE, body=body)
    return Response(text, status, headers, "text/html; charset=utf-8")


def in_words(purpose: str) -> str:
    """`FraudPreventionAndDetection` as `Fraud prevention and detection`."""
    words = _WORD.sub(" ", purpose).split(" ")
    return " ".join([words[0], *(word if word.isupper() else word.lower() for word in words[1:])])
