"""`rheod tradera` against the real daemon: the login's address, taking its token, and what `status` tells of it."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import aiohttp

from rheod.sandbox.demo_daemon import clean_environment
from rheod.sandbox.servers import QueueServer
from tests import warm
from tests.test_whole_daemon import running_daemon

NO_TOKEN = {"RHEOD_TRADERA__USER_TOKEN": "", "RHEOD_TRADERA__USER_ID": ""}
SELLER = 300124


async def rheod(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Run a command beside the daemon of this folder: status, output, remarks."""
    environ = {**clean_environment(os.environ), "RHEOD_STORAGE__PATH": str(folder)}
    environ["RHEOD_CONFIG"] = str(folder / "rheod.toml")
    ended = await asyncio.to_thread(warm.run, *arguments, environ=environ)
    return ended.returncode, ended.stdout, ended.stderr


async def own_account(folder: Path) -> dict[str, Any]:
    """What `tradera status --json` tells of the default account."""
    _, out, _ = await rheod(folder, "tradera", "status", "--json")
    own: dict[str, Any] = json.loads(out)["accounts"][0]
    return own


async def test_a_seller_connects_by_command(tmp_path: Path, queue_server: QueueServer) -> None:
    """The address on standard output, the token taken by `--finish`; a restart still knows it, doctor-like findings too."""
    async with running_daemon(tmp_path, queue_server, **NO_TOKEN) as one:
        assert (await own_account(tmp_path))["state"] == "waiting"
        status, address, remarks = await rheod(tmp_path, "tradera", "connect")
        assert (status, address.startswith(one.sandbox.tradera.site_url)) == (0, True)
        assert "--finish --user" in remarks
        early, _, why = await rheod(tmp_path, "tradera", "connect", "--finish")
        assert (early, "number or alias" in why) == (1, True)
        async with aiohttp.ClientSession() as browser:
            page = await browser.get(address.strip())
            assert f"seller {SELLER}" in await page.text()
            skey = page.url.query["skey"]
            form = {"skey": skey, "ruparams": "", "user": str(SELLER)}
            await browser.post(f"{one.sandbox.tradera.site_url}/token-login", data=form)
        done, told, _ = await rheod(tmp_path, "tradera", "connect", "--finish", "--user", str(SELLER))
        assert (done, f"Connected as Tradera user {SELLER}" in told) == (0, True)
        own = await own_account(tmp_path)
        assert (own["state"], own["tokenFrom"], own["daysLeft"]) == ("selling", "login", 539)
        await one.put("A-1")
        await one.until_event("A-1", "listing.created")
    async with running_daemon(tmp_path, queue_server, **NO_TOKEN) as again:
        assert (await own_account(tmp_path))["tokenFrom"] == "login"
        shown = await again.daemon.ask_admin("GET", "/status")
        assert shown["publishingWaitsFor"] == []


async def test_a_token_in_the_settings_comes_first(tmp_path: Path, queue_server: QueueServer) -> None:
    """Connecting is refused with the reason, and `status` says where the token comes from."""
    async with running_daemon(tmp_path, queue_server):
        status, _, why = await rheod(tmp_path, "tradera", "connect")
        assert (status, "comes first" in why) == (1, True)
        assert (await own_account(tmp_path))["tokenFrom"] == "settings"
