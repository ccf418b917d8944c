"""Structured log lines, without secrets."""
