"""Alarms to the operator: into the log, to a webhook, by mail."""
