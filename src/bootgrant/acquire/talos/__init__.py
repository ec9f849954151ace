"""``--compat talos``: what Talos Linux does on metal, request by request and line by line, including its bugs.

Tests compare it with recordings of the reference. docs/acquire-differences.md lists how the default mode differs.
Sources: Talos ``platform/metal``, golang.org/x/oauth2 v0.35, go-retry v0.3.3, Go's ``net/http`` and ``encoding/json``.
"""
