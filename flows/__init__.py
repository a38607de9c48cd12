"""Prefect flows, one a file; the file's name is the flow's and its deployment's."""
