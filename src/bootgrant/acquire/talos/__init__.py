"""``--compat talos``: what Talos Linux does on metal, request by request and line by line, faults included.

It exists to find out beforehand what a real node will do, and to hold the rest of this program to the reference. The
better behaviour is everywhere else; the table of differences is in docs/acquire-differences.md. Sources: Talos
``platform/metal``, golang.org/x/oauth2 v0.35, go-retry v0.3.3, and Go's ``net/http`` and ``encoding/json``.
"""
