"""Converged charging: session management functions report sessions, and ask for units (3GPP TS 32.291)."""
