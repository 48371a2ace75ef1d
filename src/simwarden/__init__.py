"""Simwarden: the open control plane for IoT SIM cards."""

__version__ = "0.1.0"
