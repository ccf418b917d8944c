"""Tradera's push queue at AWS SQS."""
