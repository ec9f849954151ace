#!/usr/bin/env python3
"""Make a kubeadm bootstrap token that works for one hour, and delete it again (bootgrant runs this at a delivery).

    variables:
      join: {mint: [/etc/bootgrant/kubeadm_join_token.py], unmint: [/etc/bootgrant/kubeadm_join_token.py, delete]}

It needs kubeadm in PATH, and KUBECONFIG in the server's environment. The id of a token is its first half, which is
not secret.
"""

import json
import subprocess
import sys


def kubeadm(*words: str) -> str:
    return subprocess.run(["kubeadm", "token", *words], check=True, capture_output=True, text=True).stdout.strip()


asked = json.load(sys.stdin)
if sys.argv[1:] == ["delete"]:
    if asked["id"]:
        kubeadm("delete", asked["id"])
else:
    token = kubeadm("create", "--ttl", "1h", "--description", f"bootgrant {asked['grant']} {asked['entry']}")
    print(json.dumps({"value": token, "id": token.partition(".")[0]}))
