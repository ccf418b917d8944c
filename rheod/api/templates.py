"""The words above and below every ad, as the owner's commands keep them."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from pydantic import Field

from rheod.api.field_types import Wire, read_model
from rheod.api.json_body import BODY_BYTES, read_optional_json
from rheod.api.responses import answer
from rheod.api.routing import Route
from rheod.domain.ad_text import Part, Template
from rheod.usecases.owner_choices import AdTemplates


class TemplateBody(Wire):
    """A template and its place: one account or all, one category or all; an empty text takes it away."""

    part: Annotated[Part, Field(strict=False)]
    text: str = Field(max_length=10_000)
    account: str | None = Field(default=None, max_length=255)
    category: int | None = Field(default=None, gt=0, lt=2**53)


class TemplateCalls:
    """Handlers of `/templates`."""

    def __init__(self, *, templates: AdTemplates, body_deadline_s: float) -> None:
        self._templates = templates
        self._deadline_s = body_deadline_s

    async def listing(self, _request: web.Request) -> web.Response:
        """GET /templates: all that apply; `locked` ones stand in the settings file."""
        rows = [
            {
                "part": each.template.part,
                "account": each.template.account,
                "category": each.template.category,
                "text": each.template.text,
                "locked": each.locked,
            }
            for each in await self._templates.listing()
        ]
        return answer(200, {"templates": rows})

    async def put(self, request: web.Request) -> web.Response:
        """PUT /templates: keep one, or with an empty text take it away."""
        given = await read_optional_json(request, limit_bytes=BODY_BYTES, deadline_s=self._deadline_s)
        body = read_model(TemplateBody, given)
        await self._templates.put(
            Template(part=body.part, text=body.text, account=body.account, category=body.category)
        )
        return web.Response(status=204)

    def routes(self) -> list[Route]:
        """What `build_admin` adds."""
        return [("GET", "/templates", self.listing), ("PUT", "/templates", self.put)]
