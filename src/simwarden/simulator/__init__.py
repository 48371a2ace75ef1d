"""Virtual SIM gateways and event sinks: what the demo, the tests and the benchmarks run against.

Everything here plays the *other* side: a gateway pushes reports and takes commands as the vendor documents describe,
a sink receives CloudEvents as CAMARA's consumer side does. It shares no code with the drivers it tests.
"""
