"""Accounts and keys on the wire."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from taonet.kit.money import AmountInJson


class KeyRequest(BaseModel):
    """Ask for a new account with a key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$")]
    """The account's name: letters, digits, `.`, `_` and `-`; nobody else's."""
    funded: bool = False
    """Whether the faucet gives the account 1 test BTC."""


class KeyView(BaseModel):
    account_id: int
    name: str
    api_key: str
    secret: str
    """Shown this once."""


class MarketMakerView(BaseModel):
    """What the treasury needs to know to supply the simulated market maker with TAO."""

    deposit_address: str
    tao_rao: AmountInJson
    btc_sat: AmountInJson


class AuditView(BaseModel):
    """The invariants of the books, and a sentence for each that does not hold."""

    sound: bool
    faults: list[str]
    fingerprint: str
    """SHA-256 of the engine's whole state."""
    accounts: int
    open_orders: int
    trades: int
    users_sat: AmountInJson
    """All BTC that the exchange owes its users."""
    users_rao: AmountInJson
    """All TAO that the exchange owes its users."""
    fees_sat: AmountInJson
    faucet_sat: AmountInJson
    """Test BTC ever given away."""
    wallet_rao: AmountInJson
    """TAO on the chain, by the books."""
