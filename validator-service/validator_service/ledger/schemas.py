"""What travels about accounts and keys."""

from pydantic import BaseModel, ConfigDict, Field

from taonet.kit.money import AmountInJson

PROOF_HEADERS_MAX = 8


class KeyRequest(BaseModel):
    """Who asks for a key, with the account's signature over its own address for this gateway."""

    model_config = ConfigDict(extra="forbid")

    account: str = Field(min_length=40, max_length=60)
    proof: dict[str, str] = Field(max_length=PROOF_HEADERS_MAX)
    """What `taonet.kit.signing.sign_request` gives for POST /v1/keys with the account as body."""


class NewKey(BaseModel):
    api_key: str
    """Shown this once; only a hash is kept."""
    deposit_address: str
    """Transfers to it fill the account."""


class AccountView(BaseModel):
    account: str
    balance_rao: AmountInJson
    reserved_rao: AmountInJson
    """The part of the balance that calls under way may still cost."""
    deposit_address: str


class GatewayView(BaseModel):
    """What one must know of a gateway before signing anything for it."""

    name: str
    hotkey: str
    price_input_rao: AmountInJson
    """For a million tokens of prompts."""
    price_output_rao: AmountInJson
    """For a million tokens of answers."""
