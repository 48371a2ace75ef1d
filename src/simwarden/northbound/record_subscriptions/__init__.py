"""Record Subscriptions, a contract of Simwarden's own: what a SIM did is told as soon as it is stored."""
