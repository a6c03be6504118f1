"""Leases, journal, rows and recovery: docs/durability.md as pure code.

`Incarnation` (incarnation.py) puts the parts together: calls and answers of the store in,
operations (operations.py) out. A driver performs operations and hands back what the store said,
`UNKNOWN` when it did not say. No clock inside: `now` is seconds on a clock that also counts
suspend (L2).
"""
