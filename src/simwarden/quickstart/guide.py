"""What the developer is told to paste next."""

from __future__ import annotations

import shlex
import shutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FRAUD = "/iot-sim-fraud-prevention/v0.1"
SUBSCRIPTIONS = "/iot-sim-fraud-prevention-subscriptions/v0.1/subscriptions"
IMEI_CHANGE = "org.camaraproject.iot-sim-fraud-prevention.v0.imei-change"
THIEF = ("virtual2", "6.1")
"""An empty slot of the other gateway: there the stolen card goes."""
HOME = ("virtual1", "1.1")


def program() -> str:
    """How to call this program from a shell."""
    return "simwarden" if shutil.which("simwarden") else f"{shlex.quote(sys.executable)} -m simwarden"


def guide(env_file: Path, url: str, imsi: str, phone: str, sink: str) -> str:
    """The commands of the story, with the real values, to be pasted into a POSIX shell."""
    me = program()
    token = f'curl -s -u "$APPKEY:$APPSECRET" -d grant_type=client_credentials {url}/oauth2/token'
    pick = """sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/'"""
    call = "curl -s -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json'"
    device = f'"device": {{"phoneNumber": "{phone}"}}'
    subscription = (
        f'{{"protocol": "HTTP", "sink": "{sink}", "types": ["{IMEI_CHANGE}"], '
        f'"config": {{"subscriptionDetail": {{{device}}}}}}}'
    )
    return f"""\
# 1. Become the customer: credentials and an access token
. {shlex.quote(str(env_file))}
TOKEN=$({token} | {pick})

# 2. Bind the SIM to the device that it is in, and ask to be told when that changes
{call} {url}{FRAUD}/bind -d '{{{device}, "bindType": "IMEIBIND"}}'; echo
{call} {url}{SUBSCRIPTIONS} -d '{subscription}'; echo

# 3. Steal the SIM: put it into another device, and watch the other terminal
{me} simulate move {imsi} {" ".join(THIEF)}

# 4. Ask why the SIM is off
{me} sim explain {imsi}

# 5. Put it back where it belongs: the lock is lifted
{me} simulate move {imsi} {" ".join(HOME)}
"""
