"""Signing in and out, setting a password, the second factor, language and theme."""
