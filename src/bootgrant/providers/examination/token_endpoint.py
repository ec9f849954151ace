"""The token endpoint, asked with the client's credentials and a code that nobody issued (RFC 6749 section 5.2)."""

from __future__ import annotations

import re
from typing import Final

from bootgrant.providers.examination.asking import Seen
from bootgrant.providers.examination.remark import Grade, Remark
from bootgrant.providers.settings import SignInProvider

_ABOUT_GRANT: Final = re.compile(r"grant|flow|not allowed|not authorized", re.IGNORECASE)


def judge_made_up_code(seen: Seen, settings: SignInProvider, *, is_on: bool = False) -> Remark:
    """Judge the answer: ``invalid_grant`` shows that the client was accepted, and only the code was not.

    ``is_on``: the authorization endpoint has accepted the client, so it and its grant are not turned off.
    """
    client, has_secret = settings.client_id, settings.secret is not None
    match seen.error:
        case "invalid_grant":
            return Remark(Grade.OK, "credentials", f"the token endpoint accepts the client {client}")
        case "unauthorized_client" | "invalid_request" if _ABOUT_GRANT.search(seen.words()):
            message = f"the client {client} may not use the authorization code grant ({seen.words()})"
            return Remark(Grade.ERROR, "flow-off", message, "turn it on for this client (Keycloak: Standard flow)")
        case "unauthorized_client":
            # Keycloak answers this for both, with status 401.
            wrong = "its secret is wrong, or " if has_secret else "it needs a secret, or "
            message = f"the token endpoint refuses the client {client}: {wrong}the client or its grant is off"
            if is_on:
                message += "; the authorization endpoint accepts it, so look at the secret first"
            fix = "compare client_secret_file, and the client's authorization code flow (Keycloak: Standard flow)"
            return Remark(Grade.ERROR, "credentials", f"{message} ({seen.words()})", fix)
        case "unsupported_grant_type":
            message = f"the provider does not offer the authorization code grant ({seen.words()})"
            return Remark(Grade.ERROR, "grant-type", message, "turn on the authorization code flow at the provider")
    if seen.error == "invalid_client" or seen.status == 401:
        fix = "compare client_secret_file with the client's secret at the provider"
        if not has_secret:
            fix = "set client_secret_file, or make the client a public one at the provider"
        message = f"the token endpoint refuses the client {client} or its secret ({seen.words()})"
        return Remark(Grade.ERROR, "credentials", message, fix)
    if seen.status >= 500:
        message = f"the token endpoint fails ({seen.words()})"
        return Remark(Grade.ERROR, "token-endpoint", message, "look at the provider's log")
    if seen.status == 404 or not seen.error:
        message = f"the token endpoint does not answer as one ({seen.words()})"
        return Remark(
            Grade.ERROR, "token-endpoint", message, "check the provider's token_endpoint, and proxies before it"
        )
    message = f"the token endpoint refuses a made-up code in an unusual way ({seen.words()})"
    return Remark(Grade.WARNING, "credentials-unclear", message, "expected is invalid_grant: try a sign-in")
