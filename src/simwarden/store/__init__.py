"""PostgreSQL, and the only place with SQL."""
