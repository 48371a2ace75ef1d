"""CAMARA Device Identifier 0.3.0: in which device a SIM is, and (of the main branch) whether it is in a given one."""
