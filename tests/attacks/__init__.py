"""Attacks on a running server, beside an honest tenant who must not notice.

`target.py` starts a server (`simwarden serve` in a process of its own, on a database of the tests or, in the benchmark,
an embedded PostgreSQL) and sets up an honest tenant and an attacker's. `honest.py` is the honest tenant at work: its
gateway reports, its application calls the APIs, its sink takes events. Each file in `attackers/` is one attacker.
`test_attacks.py` lets every attacker loose and asserts that the honest tenant loses nothing and is answered rightly,
that the server's memory and log stay bounded, and that the attacker met the limits that are documented.
`python -m benchmarks isolation` runs the same attackers, and prints what the honest tenant's latency becomes.

To add an attacker, add one file `attackers/NAME.py`; nothing else lists it:

- Its docstring says in its first line what the attacker does.
- `attack(target)` is an async context manager that yields an `Answers`: the attack runs until the context is left.
  Its intensity is bounded by itself (`clients` runs a number of loops), never by the speed of the machine.
  It counts what it is answered with `answers.of(response)`, and connects from an address of its own
  (`target.session("127.0.0.9")`), as an attacker elsewhere would.
- `EXPECTS`: the answers, as (status, code), that it must have met, each at least once; the test waits for them.
- `COUNTED`: the series of /metrics, each by how its line begins, whose value must have grown.
- `SETTINGS` (optional): settings of the server, where the default limits are too wide to meet within a test.
- `async def check(target, answers)` (optional): what else must hold at the end.
"""
