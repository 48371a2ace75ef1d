"""CAMARA Short Message Service (SMS API 0.1.0-alpha.1 as of pull request 21): sending from a SIM."""
