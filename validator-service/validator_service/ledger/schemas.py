"""What travels about accounts and keys."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from taonet.kit.money import AmountInJson
from validator_service.domain.keys import Scope

PROOF_HEADERS_MAX = 8
LABEL_CHARACTERS_MAX = 64
EXPIRY_SECONDS_MAX = 10 * 366 * 86_400
CAP_RAO_MAX = 2**63 - 1
"""What a BIGINT holds, by which keys are listed; four hundred times all the TAO there will be."""


class KeyRequest(BaseModel):
    """Who asks for a key, with the account's signature over its own address for this gateway."""

    model_config = ConfigDict(extra="forbid")

    account: str = Field(min_length=40, max_length=60)
    proof: dict[str, str] = Field(max_length=PROOF_HEADERS_MAX)
    """What `taonet.kit.signing.sign_request` gives for POST /v1/keys with the account as body."""
    label: str = Field("", max_length=LABEL_CHARACTERS_MAX, pattern=r"^[^\x00-\x1f]*$")
    expires_in_seconds: int | None = Field(None, ge=1, le=EXPIRY_SECONDS_MAX)
    cap_rao: Annotated[AmountInJson, Field(ge=1, le=CAP_RAO_MAX)] | None = None
    """The most that this key may ever spend."""
    scopes: list[Scope] = Field(list(Scope), min_length=1, max_length=len(Scope))
    """What the key is for."""
    sampled: bool = True
    """Whether Servers may be scored by some of this key's calls."""


class NewKey(BaseModel):
    id: str
    """By which the key is listed and revoked."""
    api_key: str
    """Shown this once; only a hash is kept."""
    deposit_address: str
    """Transfers to it fill the account."""


class KeyView(BaseModel):
    """A key, without itself."""

    id: str
    label: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    cap_rao: AmountInJson | None
    spent_rao: AmountInJson
    reserved_rao: AmountInJson
    scopes: list[str]
    sampled: bool
    usable: bool


class AccountView(BaseModel):
    account: str
    balance_rao: AmountInJson
    reserved_rao: AmountInJson
    """The part of the balance that calls under way may still cost."""
    deposit_address: str


class UsageView(BaseModel):
    """One hour of one model."""

    hour: datetime
    model: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_rao: AmountInJson


class CallView(BaseModel):
    """A call that was paid. Where several Servers answered, each has a line with its part."""

    request_id: str
    created_at: datetime
    model: str
    server_uid: int
    prompt_tokens: int
    completion_tokens: int
    cost_rao: AmountInJson
    share_rao: AmountInJson
    """What of it the Server gets."""


class GatewayView(BaseModel):
    """What one must know of a gateway before signing anything for it."""

    name: str
    hotkey: str
    price_input_rao: AmountInJson
    """For a million tokens of prompts."""
    price_output_rao: AmountInJson
    """For a million tokens of answers."""
