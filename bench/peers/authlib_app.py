"""Authlib's device grant on Flask, with dictionaries as its store, as described in its documentation."""

# mypy: ignore-errors
# (Authlib has no types, and `make check` does not install Flask.)
from __future__ import annotations

import time
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin
from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint, DeviceCodeGrant, DeviceCredentialDict
from flask import Flask, Response, request

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"
credentials: dict[str, DeviceCredentialDict] = {}
decisions: dict[str, tuple[str, bool]] = {}


class MachineClient(ClientMixin):
    def get_client_id(self) -> str:
        return "talos"

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "none"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == GRANT_TYPE


class Device(DeviceAuthorizationEndpoint):
    CLIENT_AUTH_METHODS = ("none",)
    EXPIRES_IN = 3600

    def get_verification_uri(self) -> str:
        return "http://127.0.0.1/device"

    def save_device_credential(self, client_id: str, scope: str, data: dict[str, Any]) -> None:
        kept = {name: request.form[name] for name in ("uuid", "mac") if name in request.form}
        ends = time.time() + data["expires_in"]
        credentials[data["device_code"]] = DeviceCredentialDict(
            client_id=client_id, scope=scope, expires_at=ends, machine=kept, **data
        )


class Grant(DeviceCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ("none",)

    def query_device_credential(self, device_code: str) -> DeviceCredentialDict | None:
        return credentials.get(device_code)

    def query_user_grant(self, user_code: str) -> tuple[str, bool] | None:
        return decisions.get(user_code)

    def should_slow_down(self, credential: DeviceCredentialDict) -> bool:
        return False


client = MachineClient()
app = Flask(__name__)
server = AuthorizationServer(
    app, query_client=lambda client_id: client if client_id == "talos" else None, save_token=lambda token, request: None
)
server.register_endpoint(Device)
server.register_grant(Grant)


@app.post("/device/code")
def device() -> Response:
    answer: Response = server.create_endpoint_response("device_authorization")
    return answer


@app.post("/token")
def token() -> Response:
    answer: Response = server.create_token_response()
    return answer


@app.get("/healthz")
def health() -> str:
    return "ok"
