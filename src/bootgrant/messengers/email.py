"""E-mail over SMTP, with STARTTLS or TLS. smtplib runs in a thread."""

from __future__ import annotations

import asyncio
import smtplib
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from enum import Enum
from typing import Final

from bootgrant.ports.notifications import Notice, NotSent
from bootgrant.trust import client_context
from bootgrant.wire.secret import Secret

_TIMEOUT: Final = 15.0


class Security(Enum):
    """How the connection to the mail server is protected."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Email:
    """``user`` and ``password`` are for servers that require a login."""

    host: str
    port: int
    security: Security
    sender: str
    to: tuple[str, ...]
    user: str = ""
    password: Secret | None = None

    async def send(self, notice: Notice, text: str) -> None:
        await asyncio.to_thread(self._send, compose(self, notice, text))

    def _send(self, mail: EmailMessage) -> None:
        try:
            with self._connect() as server:
                if self.security is Security.STARTTLS:
                    server.starttls(context=client_context())
                if self.user and self.password:
                    server.login(self.user, self.password.reveal())
                server.send_message(mail)
        except smtplib.SMTPAuthenticationError:
            message = f"{self.host} refuses the login of {self.user}; check user and password_file"
            raise NotSent(message, permanent=True) from None
        except smtplib.SMTPResponseException as error:
            is_permanent = 500 <= error.smtp_code < 600
            raise NotSent(f"{self.host} answered {error.smtp_code}", permanent=is_permanent) from None
        except smtplib.SMTPRecipientsRefused:
            raise NotSent(f"{self.host} refuses every recipient", permanent=True) from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            reason = (isinstance(error, OSError) and error.strerror) or type(error).__name__
            raise NotSent(f"{self.host} port {self.port} cannot be used ({reason})") from None

    def _connect(self) -> smtplib.SMTP:
        if self.security is Security.TLS:
            return smtplib.SMTP_SSL(self.host, self.port, timeout=_TIMEOUT, context=client_context())
        return smtplib.SMTP(self.host, self.port, timeout=_TIMEOUT)


def compose(email: Email, notice: Notice, text: str) -> EmailMessage:
    """Return a plain-text mail, marked so that no machine answers it (RFC 3834)."""
    mail = EmailMessage()
    mail["Subject"] = notice.title
    mail["From"] = email.sender
    mail["To"] = ", ".join(email.to)
    mail["Date"] = formatdate(notice.at)
    mail["Message-ID"] = f"<{notice.message_id}@{email.sender.rpartition('@')[2] or 'bootgrant'}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(f"{text}\n")
    return mail
