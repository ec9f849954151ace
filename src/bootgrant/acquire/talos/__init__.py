"""``--compat talos``: what Talos Linux does on metal, request by request and line by line, including its bugs.

It shows in advance what a real node will do, and tests compare it with recordings of the reference. The table of
differences to the default mode is in docs/acquire-differences.md. Sources: Talos ``platform/metal``,
golang.org/x/oauth2 v0.35, go-retry v0.3.3, and Go's ``net/http`` and ``encoding/json``.
"""
