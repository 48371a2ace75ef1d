"""Records, a contract of Simwarden's own: messages, calls and counters of the caller's SIMs."""
