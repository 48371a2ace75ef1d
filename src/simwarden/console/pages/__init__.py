"""A folder for each page, or for a few that belong together."""
