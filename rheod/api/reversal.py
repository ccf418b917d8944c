"""Sales that fell through, as an ERP or the owner says it of an item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from aiohttp import web
from pydantic import Field

from rheod.api.context import CALLER
from rheod.api.field_types import Wire, raise_if_any, read_external_id, read_model
from rheod.api.json_body import BODY_BYTES, read_json
from rheod.api.responses import EXTERNAL_ID, At, Reply, reply
from rheod.api.routing import Operation
from rheod.domain.orders import Reversal, ReversalReason

if TYPE_CHECKING:
    from rheod.api.context import ItemServices
    from rheod.store.order_changes import Reversed

WHY = Field(
    description="`unpaid`: the buyer has not paid. `cancelled`: you have agreed on it. `returned`: it came back. `lost`: it was"
    " lost on its way."
)


class ReversalBody(Wire):
    """A sale that fell through. Name the order: without one the item's only sale is meant."""

    reason: Annotated[ReversalReason, Field(strict=False), WHY]
    order_id: Annotated[
        str | None,
        Field(
            pattern=r"^[0-9]{1,18}$",
            description="The order that had sold it; needed where there are several sales.",
            examples=["55501"],
        ),
    ] = None
    refunded: Annotated[
        bool,
        Field(description="That what the buyer had paid is paid back: needed for an order that is paid."),
    ] = False
    relist: Annotated[bool, Field(description="Publish it again, at the item's own price.")] = False

    def reversal(self) -> Reversal:
        """The same as the use case takes it."""
        return Reversal(
            reason=self.reason,
            order_id=None if self.order_id is None else int(self.order_id),
            refunded=self.refunded,
            relist=self.relist,
        )


class ReversalReply(Reply):
    """A sale that was taken back; the same words again get the same answer."""

    success: Annotated[bool, Field(description="Always true.")] = True
    external_id: Annotated[str, EXTERNAL_ID]
    order_id: Annotated[
        str | None, Field(description="The order that had sold it; null: it was sold elsewhere.")
    ]
    reason: Annotated[ReversalReason, WHY]
    relist: Annotated[bool, Field(description="Whether it is published again.")]
    reversed_at: Annotated[At, Field(description="When the sale was taken back.")]


def reversal_reply(external_id: str, told: Reversed) -> ReversalReply:
    """A sale that was taken back, as JSON."""
    return ReversalReply(
        external_id=external_id,
        order_id=None if told.order_id is None else str(told.order_id),
        reason=told.said.reason,
        relist=told.said.relist,
        reversed_at=told.at,
    )


def operations(parts: ItemServices) -> list[Operation]:
    """The one call about it."""

    async def reverse_sale(request: web.Request) -> web.Response:
        """Take back a sale that fell through: the item is yours again under its own id, and `item.sale_reversed` tells it."""
        body = await read_json(request, limit_bytes=BODY_BYTES, deadline_s=parts.body_deadline_s)
        external_id, found = read_external_id(request.raw_path, segment=3)
        given = read_model(ReversalBody, body, found).reversal()
        raise_if_any(found)
        told = await parts.items.reversing.reverse(request[CALLER].account_id, external_id, given)
        return reply(202, reversal_reply(external_id, told))

    return [
        Operation(
            "POST",
            "/integration/v1/items/{externalId}/reverse-sale",
            reverse_sale,
            access="partner",
            tag="Items",
            rate="status",
            body=ReversalBody,
            status=202,
            answer=ReversalReply,
            refusals=("CONFLICT", "VALIDATION_FAILED"),
        )
    ]
