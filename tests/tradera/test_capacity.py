"""`GET /rheod/capacity`, and what commands ask of the quota: by method, what fits today, the owner's word that more is allowed."""

from __future__ import annotations

import pytest

from rheod.api.analytics import capacity_reply
from rheod.domain.budget import MethodState
from rheod.domain.errors import Refused
from rheod.domain.model import CallClass
from rheod.store import ledger
from rheod.store.ledger import Ledger, LedgerCall
from tests.desk import Desk


async def test_it_tells_what_is_used_and_what_fits(desk: Desk) -> None:
    """Each method that is limited or was called; the reserve; and the same in a sentence."""
    await desk.restart(daily_calls=1_000_000, per_operation={"image": 20, "orders": 100})
    core, now = desk.rheod.core, desk.clock()
    for _ in range(5):
        core.ledger.spend(
            LedgerCall(call_class=CallClass.PUBLISH, operation="image", account_id=desk.account_id), now=now
        )
    answer = capacity_reply(await core.capacities.of_account(desk.account_id)).model_dump(mode="json")
    methods = {each["method"]: each for each in answer["methods"]}
    assert (methods["image"]["used"], methods["image"]["limit"], methods["image"]["kept"]) == (5, 20, 0)
    assert methods["image"]["freesAt"] is not None
    assert (methods["orders"]["limit"], methods["orders"]["kept"]) == (100, 10)
    assert answer["fits"] == {"ads": 3, "pictures": 5}
    assert (answer["waiting"], answer["lastAt"]) == (0, None)
    assert answer["text"] == "3 more ads of 5 pictures fit today"


async def test_what_was_learned_holds_until_the_owner_says_otherwise(desk: Desk) -> None:
    """Also over a restart; then the limit is what the settings say, and nothing is kept of it."""
    learned = MethodState(method="image", ceiling=2)
    await desk.store.write(lambda tx: ledger.save_state(tx.db, learned))
    await desk.restart()
    capacities = desk.rheod.core.capacities
    (image,) = [
        one for one in (await capacities.of_account(desk.account_id)).methods if one.method == "image"
    ]
    assert (image.limit, image.learned) == (2, True)
    assert "10000" in (await capacities.forget("image")).replace(",", "")
    stored = await desk.database.read(lambda db: Ledger.load(db, now=desk.clock()))
    assert (desk.ledger.learned, stored.states()) == ({}, [])
    assert await capacities.forget("image") == "Nothing was learned of image."
    with pytest.raises(Refused, match="There is no method"):
        await capacities.forget("imagge")
