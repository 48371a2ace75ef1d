"""Telling customers of rules that their SIMs met: a contract of our own in the form of CAMARA's event subscriptions."""
