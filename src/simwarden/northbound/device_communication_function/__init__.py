"""CAMARA Device Communication Function, as its unmerged draft has it (vwip), and how each function stands."""
