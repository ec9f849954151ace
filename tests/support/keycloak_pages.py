"""Keycloak's own pages in Chromium, as a person uses them."""

from __future__ import annotations

from playwright.sync_api import Page

from support.keycloak import PASSWORD


def sign_in_at_keycloak(page: Page, name: str, password: str = PASSWORD) -> None:
    """Wait for the sign-in page, and fill it."""
    page.get_by_role("heading", name="Sign in to your account").wait_for()
    page.get_by_label("Username or email").fill(name)
    type_password(page, password)


def type_password(page: Page, password: str = PASSWORD) -> None:
    """Fill the password, which is all that Keycloak asks for when it knows who signs in again."""
    page.get_by_role("textbox", name="Password").fill(password)
    page.get_by_role("button", name="Sign In").click()
