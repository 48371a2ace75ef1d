"""The sources: one folder for each kind of network element that reports SIMs or takes commands about them.

README.md says how to add one.
"""
