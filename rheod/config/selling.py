"""The tables of the settings file about selling: what Tradera is asked with and how often, and how things are sold there.

Credentials, calls, what an ad gets when its item does not say; what every ad says, which category it is in, returns of what is
unsold, when auctions end, what becomes of orders. Every setting has its type, range, default and meaning here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from rheod.config.sections import DAY_S, Calls, Delay, Id, Secret, Section, Url, unquoted
from rheod.domain.ad_text import template_fault
from rheod.domain.budget import DEFAULT_LIMIT, METHODS, method_of
from rheod.domain.calendar import BadWindow, EndChoice, EndWindow
from rheod.domain.categories import DOMAINS, canonical, tradera_category
from rheod.domain.relist import BelowReserve, RelistRule, Then, step_of


class QuotaSettings(Section):
    """How many calls Tradera allows the application in 24 hours: it shows the figures on the application's page."""

    default: Calls = Field(default=DEFAULT_LIMIT, description="calls of each method in 24 h")
    methods: dict[str, Calls] = Field(
        default_factory=dict, description="other figures for single methods, by name"
    )
    total: Calls | None = Field(
        default=None, description="calls of all methods together, where Tradera has told you such a limit"
    )

    @field_validator("methods")
    @classmethod
    def _known(cls, given: dict[str, int]) -> dict[str, int]:
        if unknown := given.keys() - set(METHODS):
            raise ValueError(f"has unknown methods {sorted(unknown)}; known are {sorted(METHODS)}")
        return given

    def with_older(self, older: Mapping[str, int]) -> dict[str, int]:
        """The limits by method where an older setting, by operations, stands too: the smaller of both."""
        limits = dict(self.methods)
        for operation, calls in older.items():
            method = method_of(operation)
            limits[method] = min(calls, limits.get(method, calls))
        return limits


def _no_restarts(value: int) -> int:
    if value:
        raise ValueError(
            "must not be set: Tradera's own restarts make another ad under a number of its own; unsold ads come back by [relist]"
        )
    return value


class TraderaDefaults(Section):
    """What an ad gets when its item does not say."""

    category_id: dict[str, Id] = Field(
        default_factory=dict,
        description="Tradera's leaf category by domain; one that is left out: by `rheod categories`, else guessed",
    )
    duration_days: int = Field(
        default=7, ge=1, le=14, description="days an auction runs (1-14); 3, 5, 7 and 10 are safe everywhere"
    )
    restarts: Annotated[int, AfterValidator(_no_restarts)] | None = Field(
        default=None, description="does nothing any more, unsold ads come back by [relist]: take the line out"
    )
    accepted_bidder_id: Literal[1, 3, 4] = Field(
        default=1, description="who may bid: 1 Sweden, 3 all countries, 4 EU"
    )
    condition: Literal["new", "used"] = Field(default="used", description='"used" or "new"')
    listing_type: Literal["auction", "fixed_price"] = Field(
        default="auction", description='"auction" or "fixed_price"'
    )
    shipping_provider_id: Id = Field(
        default=6, description='Tradera\'s number of a shipping provider; 6 is "other, my own price"'
    )
    shipping_cost: int | None = Field(
        default=None,
        ge=0,
        le=100_000,
        description="older place of tradera.shipping.shipping_cost, which wins; 0 sets no price",
    )
    pickup_option_id: Id = Field(default=8, description="Tradera's number for pickup")
    image_format_jpeg: int = Field(
        default=0, ge=0, le=2, description="Tradera's number for JPEG: 0 works, older documents say 1"
    )
    has_mega: bool = Field(
        default=False, description="whether Tradera is told that a picture has a large version"
    )
    max_images: int = Field(
        default=10, ge=1, le=12, description="pictures per ad (1-12); each costs one call"
    )
    payment_option_ids: tuple[Id, ...] = Field(
        default=(),
        description="Tradera's numbers of ways to pay; empty: the member's own settings at Tradera apply",
    )
    vat: Literal[0, 6, 12, 25] | None = Field(
        default=None, description="per cent of VAT, for business sellers: 0, 6, 12 or 25"
    )

    @field_validator("accepted_bidder_id", "vat", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        """A literal number does not take text by itself, but the environment has nothing else."""
        return int(value) if isinstance(value, str) and value.isdecimal() else value

    @field_validator("category_id")
    @classmethod
    def _chosen(cls, given: dict[str, int]) -> dict[str, int]:
        """The numbers that the example of earlier versions had were copied into every file, and chosen by nobody."""
        if unknown := given.keys() - DOMAINS.keys():
            raise ValueError(f"has unknown domains {sorted(unknown)}; known are {sorted(DOMAINS)}")
        return {domain: number for domain, number in given.items() if number != tradera_category(domain)}


class Shipping(Section):
    """What buyers pay for freight where the item names no price: by weight from Tradera's own table, never free by silence."""

    shipping_cost: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="fixed price in whole kronor: for what you send yourself, and where a weight or the table is missing",
    )
    free_shipping: bool = Field(
        default=False, description="you pay the freight of every item that names no price of its own"
    )
    prefer: (
        Literal["cheapest", "fastest"] | tuple[Annotated[str, Field(min_length=1, max_length=100)], ...]
    ) = Field(
        default="cheapest",
        description='which traceable parcel: "cheapest", "fastest", or providers in their order, as ["PostNord"]',
    )
    packaging_g: int = Field(
        default=100, ge=0, le=10_000, description="grams of packaging added to an item's weight"
    )
    second_option: bool = Field(
        default=False, description="the cheapest parcel of another provider is offered too"
    )
    offer_pickup: bool = Field(default=False, description="pickup is offered beside what is sent")


class Tradera(Section):
    """Tradera's REST API: credentials, the calls it allows in any 24 hours, and how doubts are settled."""

    base_url: Url = Field(
        default="https://api.tradera.com/v4",
        description="address of the REST API; `rheod sandbox` prints another one for trials",
    )
    site_url: Url = Field(
        default="https://www.tradera.com", description="an ad's address is <site_url>/item/<id>"
    )
    app_id: Id | None = Field(
        default=None,
        description="the application's id; without this and the next three, publishing waits and says so",
    )
    app_key: Secret | None = Field(default=None, description="the application's key: a secret")
    user_id: Id | None = Field(default=None, description="the seller's member id")
    user_token: Secret | None = Field(
        default=None, description="the seller's token: a secret; `rheod tradera connect` gets one"
    )
    public_key: Annotated[str, AfterValidator(unquoted)] | None = Field(
        default=None,
        pattern=r"^[\x21-\x7e]+$",
        description="the application's public key, only for the browser login of `rheod tradera connect`",
    )
    daily_calls: Calls | None = Field(
        default=None,
        description="superseded by quota.total, which it bounds while it stands: take the line out",
    )
    daily_calls_per_method: dict[str, Calls] | None = Field(
        default=None, description="superseded by quota.methods, which it bounds while it stands"
    )
    quota: QuotaSettings = Field(
        default=QuotaSettings(), description="how many calls Tradera allows the application in 24 hours"
    )
    reserve_share: float = Field(
        default=0.2,
        ge=0,
        le=0.9,
        description="share of quota.total kept for ending ads and reading orders (0-0.9)",
    )
    reconcile_interval_s: float | None = Field(
        default=None,
        ge=50,
        le=DAY_S,
        description="how often Tradera is asked for what push missed; without it 600 with push, else 55",
    )
    reconcile_share: float | None = Field(
        default=None,
        ge=0,
        le=0.9,
        description="share of quota.total this may use; without it 0.1 with push, else a third",
    )
    bids_interval_s: float = Field(
        default=600,
        ge=0,
        le=DAY_S,
        description="how often bids on ads that end within a day are read, by one call for many; on the others every sixth time. 0: never",
    )
    request_timeout_s: float = Field(default=60, ge=1, le=300, description="time for one call in all")
    result_delays_s: tuple[Delay, ...] | None = Field(
        default=None,
        min_length=1,
        description="waits between questions for the result of a publishing, the last repeats; without it 1, 1, 2, 3, 5 … 30, or 10 … 600 where all calls together are limited",
    )
    publish_tries: int = Field(
        default=8,
        ge=1,
        le=100,
        description="tries of one item, price, parcel or payment without a clear answer, while Tradera answers others, before it has failed",
    )
    image_in_doubt: Literal["resend", "recreate"] = Field(
        default="resend",
        description='a picture whose call got no answer: "resend" it, or "recreate" the uncommitted ad',
    )
    takeover_wait_s: float = Field(
        default=3_600,
        ge=0,
        le=7 * DAY_S,
        description="after a restore nothing is published for this time: Tradera's queue may still hold ads",
    )
    doubt_limit_s: float = Field(
        default=DAY_S,
        ge=600,
        le=30 * DAY_S,
        description="a publishing still in doubt after this time waits for you",
    )
    shipping: Shipping = Field(
        default=Shipping(), description="what buyers pay for freight where the item names no price"
    )
    defaults: TraderaDefaults = Field(
        default=TraderaDefaults(), description="what an ad gets when its item does not say"
    )

    @property
    def total(self) -> int | None:
        """Calls of all methods together; the smaller of the two settings."""
        given = (each for each in (self.quota.total, self.daily_calls) if each is not None)
        return min(given, default=None)

    @property
    def limits(self) -> dict[str, int]:
        """Calls by method where one has its own; the smaller of the two settings."""
        return self.quota.with_older(self.daily_calls_per_method or {})


class AdSettings(Section):
    """What every ad says, and the check of its words before it goes out."""

    header: str = Field(
        default="",
        description="text above every ad's own, with fields such as {externalId}; wins over `rheod templates`",
    )
    footer: str = Field(
        default="", description="text below every ad's own; for a business {withdrawalRight} is at hand"
    )
    check: Literal["off", "warn", "hold"] = Field(
        default="warn",
        description='what follows when an ad breaks Tradera\'s rules or its own fields: "warn", "hold" it, or "off"',
    )
    business: bool | None = Field(
        default=None,
        description="whether you sell as a business, whose ads may name a telephone; without it: if vat is set",
    )

    @field_validator("header", "footer")
    @classmethod
    def _fields_known(cls, text: str) -> str:
        """A field nobody knows would stand in every ad as it is written."""
        if fault := template_fault(text):
            raise ValueError(fault)
        return text


def _slug(domain: str) -> str:
    slug = canonical(domain)
    if slug is None:
        raise ValueError(f"must be one of {', '.join(DOMAINS)}")
    return slug


class RuleSettings(Section):
    """Items that are all of this go into the category."""

    category: Id = Field(description="a leaf of Tradera's tree")
    domain: Annotated[str, AfterValidator(_slug)] | None = None
    words: str = ""
    metadata: dict[str, str] = Field(default={}, max_length=1)
    account: str | None = None


class Categories(Section):
    """How a category is chosen for items that name none. What stands here wins over what commands and pages have set."""

    rules: tuple[RuleSettings, ...] | None = Field(
        default=None,
        description="the first that takes an item wins; without it those of `rheod categories rules`",
    )
    guess_category: bool | None = Field(
        default=None,
        description="whether rheod guesses when nothing else says it; without it by command, else true",
    )
    condition_words: dict[str, tuple[str, ...]] | None = Field(
        default=None,
        description="words and grades of condition, and the terms they may become; added to rheod's own",
    )


class Relist(Section):
    """What is unsold comes back by itself, cheaper step by step, never below its floor."""

    enabled: bool = Field(default=False, description="whether unsold auctions come back by themselves")
    times: int = Field(default=3, ge=0, le=50, description="how often one comes back at most (0-50)")
    steps: tuple[Annotated[float | str, AfterValidator(step_of)], ...] = Field(
        default=(0.9, 0.8, 0.7),
        min_length=1,
        max_length=50,
        description='prices of the 1st, 2nd … return: a share of the first price, or "-10%" of the one before; the last repeats',
    )
    round: Literal[1, 5, 10, "9"] = Field(
        default=1, description='prices are rounded down to this: 1, 5 or 10, or to end in "9"'
    )
    floor: float | None = Field(
        default=None,
        gt=0,
        le=10_000_000,
        description="the lowest price: kronor from 1 on, below that a share of the first price; enabled needs one",
    )
    wait_h: float = Field(
        default=24,
        ge=0,
        le=24 * 60,
        description="hours between an end and the return: a purchase request lives for 24",
    )
    stop_after_days: float = Field(
        default=60, gt=0, le=3650, description="nothing comes back so long after its first ad went up"
    )
    then: Literal["not_listed", "fixed_price", "tell"] = Field(
        default="not_listed",
        description='after the last return: "not_listed", "fixed_price" at the last price, or "tell" you',
    )
    below_reserve: Literal["keep", "drop", "lower"] = Field(
        default="keep",
        description='a reserve that bids did not reach: "keep" it, "drop" it, or "lower" it to the highest bid',
    )

    @field_validator("round", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        """The environment has only text."""
        return int(value) if isinstance(value, str) and value in {"1", "5", "10"} else value

    @model_validator(mode="after")
    def _has_floor(self) -> Self:
        if self.enabled and self.floor is None:
            raise ValueError("needs floor: the lowest price a thing may go for, such as 200 or 0.5")
        return self

    @property
    def rule(self) -> RelistRule:
        """The rule that this table is."""
        return RelistRule(
            enabled=self.enabled,
            times=self.times,
            steps=self.steps,
            round_to=int(self.round),
            floor=self.floor,
            wait_h=self.wait_h,
            stop_after_days=self.stop_after_days,
            then=Then(self.then),
            below_reserve=BelowReserve(self.below_reserve),
        )


def _readable(text: str) -> str:
    try:
        EndWindow.read(text)
    except BadWindow as error:
        raise ValueError(str(error)) from error
    return text


class Ends(Section):
    """When auctions end: when buyers are there, and not all at once."""

    windows: tuple[Annotated[str, AfterValidator(_readable)], ...] = Field(
        default=(),
        max_length=50,
        description='when auctions may end, by Swedish clocks, such as ["Sun-Thu 19:00-21:30"]; none: whenever it comes',
    )
    spacing_min: int = Field(default=2, ge=1, le=240, description="minutes between two ends of one account")
    per_window: int | None = Field(
        default=None, ge=1, le=1000, description="at most so many end in one window of one day"
    )
    per_category: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="at most so many of one category end in one window of one day",
    )
    durations: tuple[Annotated[int, Field(ge=1, le=14)], ...] = Field(
        default=(7,),
        min_length=1,
        max_length=14,
        description="days an auction may run where its item says nothing; the one that reaches a window first is taken",
    )

    @property
    def choice(self) -> EndChoice:
        """The plan that this table is."""
        return EndChoice(
            windows=self.windows,
            spacing_min=self.spacing_min,
            per_window=self.per_window,
            per_category=self.per_category,
            durations=self.durations,
        )


class OrderSettings(Section):
    """What becomes of orders."""

    pick_sort: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        description="the key of your items' metadata that pick lists are sorted by",
    )
    ship_while_waiting: bool = Field(
        default=False, description="send a paid order at once though the buyer may still add to it"
    )
    unpaid_reminder_days: tuple[Annotated[int, Field(ge=1, le=60)], ...] = Field(
        default=(3, 7, 10),
        max_length=10,
        description="you are reminded of an order that is not paid so many days after it was made; [] never",
    )
