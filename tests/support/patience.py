"""How long a test waits for what must happen.

A bound against waiting for ever, not a measure of speed: tests must pass on a machine that is busy with other work.
"""

PATIENCE = 60.0
"""Seconds."""
