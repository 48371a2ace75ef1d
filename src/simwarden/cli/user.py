"""`simwarden user`."""

from __future__ import annotations

import click

from simwarden.accounts.roles import Role
from simwarden.cli.building import Plain, add_all, examples
from simwarden.cli.common import Group, json_option
from simwarden.cli.printing import print_fields, print_json
from simwarden.cli.remote import Access, access_options, call, segment


@click.group(cls=Group)
def user() -> None:
    """Operators as people: who may log in, in which role, and your own password and second factor."""


_ROLES = click.Choice([str(role) for role in Role])


@user.command(
    epilog=examples(
        (
            "user add ann@operator.example --name Ann --role admin",
            "user add bob@mvno.example --name Bob --role viewer",
        )
    )
)
@click.argument("email")
@click.option("--name", required=True, help="How to call him or her.")
@click.option("--role", type=_ROLES, required=True, help="What he or she may do: docs/operators.md.")
@click.option("--manages", metavar="ACCOUNT", help="Of a reseller: the account that he and its sub-accounts are his.")
@access_options
@json_option
def add(email: str, name: str, role: str, manages: str | None, access: Access, *, as_json: bool) -> None:
    """Make a person; the code with which he or she sets a password is shown this once."""
    body = {"email": email, "name": name, "role": role, **({"manages": manages} if manages else {})}
    made = call(access, "POST", "/users", body)
    if as_json:
        print_json(made)
        return
    print_fields({"Id": made["id"], "E-mail": made["email"], "Role": made["role"], "Set-up code": made["setupCode"]})
    click.echo(f"It is good once, for 24 hours: simwarden login --setup-code {made['setupCode']}")


@user.command("setup-code", epilog=examples(("user setup-code usr_x3", "user setup-code usr_x3 --drop-second-factor")))
@click.argument("user_id", metavar="ID")
@click.option("--drop-second-factor", is_flag=True, help="Also when the authenticator and the recovery codes are lost.")
@access_options
@json_option
def setup_code(user_id: str, access: Access, *, drop_second_factor: bool, as_json: bool) -> None:
    """Hand out a code for a new password. All sessions of the person end."""
    body = {"dropSecondFactor": drop_second_factor}
    made = call(access, "POST", f"/users/{segment(user_id)}/setup-code", body)
    if as_json:
        print_json(made)
        return
    click.echo(f"It is good once, for 24 hours: simwarden login --setup-code {made['setupCode']}")


@user.command(epilog=examples(("user whoami",)))
@access_options
@json_option
def whoami(access: Access, *, as_json: bool) -> None:
    """Show who is logged in."""
    found = call(access, "GET", "/session")
    found.pop("csrfToken", None)
    if as_json:
        print_json(found)
        return
    person, session = found["user"], found["session"]
    shown = {"Id": person["id"], "E-mail": person["email"], "Role": person["role"], "Manages": person.get("manages")}
    left = found.get("recoveryCodesLeft")
    print_fields({**shown, "Session": session["id"], "Until": session["endsAt"], "Recovery codes left": left})


@user.command(epilog=examples(("user password",)))
@access_options
def password(access: Access) -> None:
    """Change your own password. Your other sessions end."""
    body = {
        "currentPassword": click.prompt("Current password", hide_input=True, err=True),
        "newPassword": click.prompt("New password", hide_input=True, confirmation_prompt=True, err=True),
    }
    call(access, "POST", "/session/password", body)
    click.echo("Changed. Your other sessions have ended.")


@user.command("second-factor", epilog=examples(("user second-factor",)))
@access_options
def second_factor(access: Access) -> None:
    """Get a second factor for yourself, or another one: a code of an authenticator, with every log-in."""
    current = click.prompt("Password", hide_input=True, err=True)
    offered = call(access, "POST", "/session/second-factor", {"currentPassword": current})
    click.echo(f"Add this to your authenticator: {offered['secret']}\n{offered['uri']}")
    code = click.prompt("The code that it shows now", err=True).strip()
    codes = call(access, "POST", "/session/second-factor/confirm", {"code": code})["recoveryCodes"]
    click.echo("Keep these recovery codes apart from it. Each stands in for a code once:\n  " + "\n  ".join(codes))


add_all(
    user,
    [
        Plain(
            verb="list",
            operation="listUsers",
            examples=("user list",),
            columns=("email", "name", "role", "id", "loggedInAt", "hasSecondFactor", "disabledAt", "manages", "issuer"),
            empty="Nobody",
        ),
        Plain(verb="show", operation="getUser", examples=("user show usr_x3",)),
        Plain(
            verb="change",
            operation="changeUser",
            examples=("user change usr_x3 --role viewer", "user change usr_x3 --disabled true  he may not log in"),
        ),
        Plain(
            verb="sessions",
            operation="listSessions",
            rows="sessions",
            examples=("user sessions", "user sessions --user usr_x3"),
            columns=("id", "createdAt", "usedAt", "endsAt", "address", "method"),
            empty="Nobody is logged in",
        ),
        Plain(
            verb="end-session",
            operation="endSession",
            examples=("user end-session ses_x3",),
            done="The session is ended",
        ),
    ],
)
