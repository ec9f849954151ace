"""HTTP rules that hold for every request, one subject per file, and the types of ASGI 3.0 that they use.

The room knows HTTP and the wire format. It knows nothing about machines, requests or approvals.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
