"""What the gateway shows of its books and payouts."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from taonet.kit.money import AmountInJson


class AuditView(BaseModel):
    """The books against themselves, and against the chain."""

    balanced: bool
    problems: list[str]
    """What does not agree, in words; empty when all is well."""
    treasury_address: str
    consumers_rao: AmountInJson
    """What consumers have paid in and not spent; refunds on their way are a part of it."""
    servers_rao: AmountInJson
    """What Servers are owed and not paid yet."""
    take_rao: AmountInJson
    """What the Validator kept of what consumers spent."""
    capital_rao: AmountInJson
    """What the operator sent to the treasury."""
    fees_rao: AmountInJson
    """What the chain charged for sweeps and payouts."""
    settling_rao: AmountInJson
    """What the chain has moved already and the books will follow in a moment."""
    books_rao: AmountInJson
    """consumers + servers + take + capital - fees: what must lie at our addresses."""
    chain_rao: AmountInJson
    """What lies there; balanced is books = chain + settling."""


class PaidCall(BaseModel):
    """A call that a payout pays; of the consumer nothing is told."""

    request_id: str
    server_uid: int
    server_hotkey: str
    prompt_tokens: int
    completion_tokens: int
    cost_rao: AmountInJson
    share_rao: AmountInJson


class PayoutView(BaseModel):
    """What one coldkey was sent at once."""

    id: int
    coldkey: str
    amount_rao: AmountInJson
    state: str
    """`intended`, `signed` (and sent), or `settled` (in a block)."""
    extrinsic_hash: str | None
    height: int | None
    created_at: datetime
    calls: list[PaidCall]


class Statement(BaseModel):
    payouts: list[PayoutView]
    """The newest first."""
    next_before: int | None
    """Ask with `before` of this for the ones before; none where these were the last."""


class RefundRequest(BaseModel):
    """How much of the balance to send to the account's own address; all of it where unsaid."""

    model_config = ConfigDict(extra="forbid")

    amount_rao: Annotated[AmountInJson, Field(ge=1)] | None = None


class RefundView(BaseModel):
    id: int
    amount_rao: AmountInJson
    """What arrives: the chain's fee was taken from the balance besides."""
    state: str
    """`waiting`, `intended`, `signed` (and sent), or `settled` (in a block)."""
    extrinsic_hash: str | None
    height: int | None
    created_at: datetime
