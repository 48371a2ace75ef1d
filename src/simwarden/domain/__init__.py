"""The rules, as pure functions and frozen types. No I/O, no clock, no framework."""
