"""Receive SMS, a contract of Simwarden's own: customers are told of the short messages that their SIMs receive."""
