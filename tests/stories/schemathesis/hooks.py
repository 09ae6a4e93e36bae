"""What is changed in a request that schemathesis has made, before it is sent."""

import json
import pathlib
import re
import uuid

import schemathesis

# Nobody answers there: a line that is made up registers nowhere outside this machine.
NOBODY = "127.0.0.1:9"


def ids(name):
    text = pathlib.Path(__file__).with_name(f"{name}.txt").read_text()
    return [json.loads(line) for line in text.splitlines()]


USERS, COMPANIES, CONTACTS = ids("users"), ids("companies"), ids("contacts")
# No schema can say which of all ids exist.
EXISTING = {"user_id": USERS, "responsible_id": USERS, "company_id": COMPANIES, "contact_id": CONTACTS}
KEPT = {*USERS, *COMPANIES, *CONTACTS, *ids("lines")}
ADMIN = ids("admin")[0]


def is_id(value):
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value.lower()
    except ValueError:
        return False


@schemathesis.hook
def before_call(context, case, kwargs):
    if isinstance(case.body, dict):
        change_body(case.body)
    place = case.path_parameters or {}
    # What the run needs stays, and the administrator stays one.
    if place.get("id") == ADMIN or case.method.upper() == "DELETE" and place.get("id") in KEPT:
        place["id"] = str(uuid.uuid4())
    headers = case.headers or {}
    key = headers.get("Idempotency-Key")
    if isinstance(key, str) and re.fullmatch(r"[!-~]([ -~]{0,253}[!-~])?", key):
        # The same key comes with many bodies, which is refused.
        headers["Idempotency-Key"] = str(uuid.uuid4())


def change_body(body):
    if body.get("mode") == "siprec" and body.get("transport") in ("ws", "wss"):
        # Each is allowed and both together are not: nobody opens a WebSocket to this server to have calls recorded.
        body["transport"] = None
    for name, value in body.items():
        if name in ("server", "outbound_proxy") and isinstance(value, str) and value:
            body[name] = NOBODY
        elif name in EXISTING and is_id(value):
            body[name] = EXISTING[name][int(value[-1], 16) % len(EXISTING[name])]
        elif isinstance(value, float) and value.is_integer():
            # JSON Schema takes 1000.0 for an integer; the server does not.
            body[name] = int(value)
