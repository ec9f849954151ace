"""Audit records as syslog messages (RFC 5424) over TLS (RFC 5425), or over TCP to this computer."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bootgrant.messengers.own_thread import OwnThread
from bootgrant.ports.audit_sinks import SinkRecord
from bootgrant.ports.notifications import NotSent

_PRIORITY: Final = 13 * 8 + 6
"""Facility 13 (log audit), severity 6 (informational)."""
_TIMEOUT: Final = 8.0
_LARGEST_ID: Final = 2**31 - 1
_ANSWER: Final = 4096


@dataclass(frozen=True, slots=True)
class SyslogSink:
    """Sends records to ``host`` and ``port`` on a connection for each part.

    Syslog has no confirmation. So the connection is closed in order, and records count as accepted when the receiver
    has closed it as well, which it does after reading them. ``context`` makes the TLS settings; None is plain TCP.
    """

    host: str
    port: int
    context: Callable[[], ssl.SSLContext] | None
    name: str
    """This server's host name in the messages."""
    _thread: OwnThread = field(default_factory=OwnThread, compare=False)

    @property
    def shown(self) -> str:
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    async def send(self, records: Sequence[SinkRecord]) -> None:
        content = b"".join(framed(record, self.name) for record in records)
        try:
            await self._thread.run(lambda: self._transmit(content))
        except TimeoutError:
            raise NotSent(f"{self.shown} did not accept the records within {_TIMEOUT:.0f} s") from None
        except ssl.SSLCertVerificationError as error:
            raise NotSent(f"the certificate of {self.shown} is not accepted: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise NotSent(f"TLS with {self.shown} failed: {error.reason or type(error).__name__}") from None
        except OSError as error:
            raise NotSent(f"{self.shown} cannot be reached: {error.strerror or type(error).__name__}") from None
        except ValueError as error:
            # The files of the TLS settings cannot be used any more.
            raise NotSent(str(error)) from None

    def _transmit(self, content: bytes) -> None:
        with contextlib.ExitStack() as stack:
            plain = stack.enter_context(socket.create_connection((self.host, self.port), _TIMEOUT))
            plain.settimeout(_TIMEOUT)
            if self.context is None:
                plain.sendall(content)
                plain.shutdown(socket.SHUT_WR)
                _until_closed(plain)
                return
            secure = stack.enter_context(self.context().wrap_socket(plain, server_hostname=self.host))
            secure.sendall(content)
            # Not every receiver closes TLS before it closes the connection.
            with contextlib.suppress(ssl.SSLEOFError, ssl.SSLZeroReturnError):
                _until_closed(secure.unwrap())


def _until_closed(connection: socket.socket) -> None:
    while connection.recv(_ANSWER):
        pass


def framed(record: SinkRecord, host: str) -> bytes:
    """Return the message with its length before it (RFC 5425 section 4.3)."""
    number = (record.seq - 1) % _LARGEST_ID + 1
    structured = f'[meta sequenceId="{number}"]'
    message = f"<{_PRIORITY}>1 {record.at} {host} bootgrant - {record.kind} {structured} {record.line}".encode("ascii")
    return b"%d %b" % (len(message), message)
