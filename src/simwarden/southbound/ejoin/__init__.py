"""Ejoin multi-port gateways (also sold as YX and Skyline): what they push, and the commands they take."""
