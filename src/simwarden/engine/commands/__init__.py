"""The one way to change a SIM: commands, which are data, executed in batches.

An API's call, an operator's and a job on many SIMs submit the same `domain.command.Command`s; `domain.rules` decides.
"""
