"""How databases of older versions become today's: alembic's scripts, shipped, so that an installed package upgrades its own data."""
