"""The sandbox: virtual SIMs whose numbers decide the outcome, for applications in sandbox mode.

It is another set of what the customer APIs need (`northbound.kernel.ports`), so no API knows of it; `mode` gives each
caller the set that is its application's. Real SIMs are not in it, and the live set does not know the virtual ones.
"""
