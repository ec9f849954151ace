#!/usr/bin/env python3
"""Make a Tailscale auth key for one machine and one hour, and delete it again (bootgrant runs this at a delivery).

    variables:
      tailscale: {mint: [/etc/bootgrant/tailscale_auth_key.py], unmint: [/etc/bootgrant/tailscale_auth_key.py, delete]}

The server's environment has TAILSCALE_API_KEY (an API access token or an OAuth client's access token) and
TAILSCALE_TAGS ("tag:node"). TAILSCALE_API is only set by tests.
"""

import json
import os
import sys
import urllib.request

BASE = os.environ.get("TAILSCALE_API", "https://api.tailscale.com") + "/api/v2/tailnet/-/keys"


def call(method: str, url: str, body: object = None) -> bytes:
    request = urllib.request.Request(url, method=method, data=None if body is None else json.dumps(body).encode())
    request.add_header("Authorization", f"Bearer {os.environ['TAILSCALE_API_KEY']}")
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=8) as answer:
        return answer.read()


asked = json.load(sys.stdin)
if sys.argv[1:] == ["delete"]:
    if asked["id"]:
        call("DELETE", f"{BASE}/{asked['id']}")
else:
    device = {
        "reusable": False,
        "ephemeral": False,
        "preauthorized": True,
        "tags": os.environ["TAILSCALE_TAGS"].split(),
    }
    wanted = {
        "capabilities": {"devices": {"create": device}},
        "expirySeconds": 3600,
        "description": f"bootgrant {asked['entry']}"[:50],
    }
    made = json.loads(call("POST", BASE, wanted))
    print(json.dumps({"value": made["key"], "id": made["id"]}))
