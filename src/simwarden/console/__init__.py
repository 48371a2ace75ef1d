"""The web console: pages over the management API, for operators and, with fewer rights, for resellers' people."""
