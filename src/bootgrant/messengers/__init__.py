"""Implementations of ports.notifications.Messenger: chat services, e-mail, and a webhook.

Nothing that they send can approve anything: a message only links to a page where a person signs in.
"""
