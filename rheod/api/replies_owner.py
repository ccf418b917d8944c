"""Answers to the owner and about the daemon itself: API keys, webhook settings, health."""

from __future__ import annotations
