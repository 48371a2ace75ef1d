"""RADIUS accounting of packet gateways: who has a data session, in which device; and how one is ended."""
