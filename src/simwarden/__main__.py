"""`python -m simwarden`."""

from simwarden.cli import main

main(prog_name="simwarden")
