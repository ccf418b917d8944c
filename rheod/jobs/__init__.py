"""The work queue: rows of the jobs table, worked by one loop class."""
