"""Turns committed events into CloudEvents and hands them to the sinks of subscriptions."""
