"""Webhooks: sign, deliver, in order and at least once."""
