"""The versions of the tables that calls are kept in, run by Alembic."""
