#!/usr/bin/env python3
"""Make a Vault secret id, wrapped in a token that can be opened once (bootgrant runs this at a delivery).

    variables:
      vault: {mint: [/etc/bootgrant/vault_secret_id.py, node], unmint: [/etc/bootgrant/vault_secret_id.py]}

The argument is the AppRole. The server's environment has VAULT_ADDR and VAULT_TOKEN. A machine that finds its token
opened already knows that someone else has read its configuration. OpenBao works the same way.
"""

import json
import os
import sys
import urllib.request


def post(path: str, body: object, wrap: str = "") -> bytes:
    url = f"{os.environ['VAULT_ADDR']}/v1/{path}"
    request = urllib.request.Request(url, method="POST", data=json.dumps(body).encode())
    request.add_header("X-Vault-Token", os.environ["VAULT_TOKEN"])
    if wrap:
        request.add_header("X-Vault-Wrap-TTL", wrap)
    with urllib.request.urlopen(request, timeout=8) as answer:
        return answer.read()


asked = json.load(sys.stdin)
if sys.argv[1:]:
    about = json.dumps({"grant": asked["grant"], "entry": asked["entry"]})
    made = json.loads(post(f"auth/approle/role/{sys.argv[1]}/secret-id", {"metadata": about}, wrap="1h"))
    print(json.dumps({"value": made["wrap_info"]["token"], "id": made["wrap_info"]["accessor"]}))
elif asked["id"]:
    post("auth/token/revoke-accessor", {"accessor": asked["id"]})
