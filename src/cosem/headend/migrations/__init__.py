"""Revisions of the head-end's tables; `database.open_database` applies what a file is missing."""
