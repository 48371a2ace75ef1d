"""The sandbox: virtual SIMs whose numbers decide the outcome, for applications in sandbox mode.

It is another set of what the customer APIs need (`northbound.kernel.services`), so no API knows of it; the edge gives
each caller the set of its application's mode. Real SIMs are not in it, and the live set does not know the virtual ones.
"""
