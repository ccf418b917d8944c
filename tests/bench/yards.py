"""A daemon's own empty store, made by the daemon itself, for the benches that fill one."""

from __future__ import annotations

from pathlib import Path

from rheod.sandbox.demo_daemon import DemoDaemon


async def new_store(folder: Path) -> str:
    """Start a daemon once in this empty folder and stop it; returns an API key of its."""
    folder.mkdir(parents=True, exist_ok=True)
    daemon = DemoDaemon(folder=folder, settings={})
    async with daemon.running():
        key = await daemon.ask_admin("POST", "/keys", {"name": "bench"})
    daemon.log_file.unlink()
    return str(key["apiKey"])
