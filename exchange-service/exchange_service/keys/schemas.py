"""Accounts and keys on the wire."""

from ipaddress import ip_address
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from exchange_service.auditing import Invariant
from exchange_service.authentication import Permission
from exchange_service.keys.repository import KeyRow
from taonet.kit.money import AmountInJson

ADDRESSES_MAX: Final = 30
Address = Annotated[str, AfterValidator(lambda text: str(ip_address(text)))]


class KeyTerms(BaseModel):
    """What a key shall be good for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    permissions: frozenset[Permission] = frozenset(Permission)
    """`read`, `trade`, `withdraw`."""
    addresses: Annotated[list[Address], Field(max_length=ADDRESSES_MAX)] = []
    """IP addresses from which the key may be used; none: from anywhere."""
    public_key: Annotated[str | None, Field(max_length=400)] = None
    """An Ed25519 public key, as PEM: its other half makes the signatures, there is no secret."""


class KeyRequest(KeyTerms):
    """Ask for a new account with a key."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$")]
    """The account's name: letters, digits, `.`, `_` and `-`; nobody else's."""
    funded: bool = False
    """Whether the faucet gives the account 1 test BTC."""


class KeyView(BaseModel):
    account_id: int
    name: str
    api_key: str
    secret: str
    """Shown this once; empty for a key with a public key."""
    faucet_txid: str = ""
    """The Bitcoin transaction that brings the faucet's coins; they count once it is confirmed."""


class KeyLine(BaseModel):
    """One of an account's keys, without its secret."""

    api_key: str
    label: str
    permissions: list[Permission]
    addresses: list[str]
    ed25519: bool
    created_ms: int


class MarketMakerView(BaseModel):
    """What the treasury needs to know to supply the simulated market maker with TAO."""

    deposit_address: str
    tao_rao: AmountInJson
    btc_sat: AmountInJson


class AuditView(BaseModel):
    """The invariants of the books, and a sentence for each that does not hold."""

    sound: bool
    faults: list[str]
    invariants: list[Invariant]
    """What is checked all the time, and how far that is."""
    holdings_compared_ms: int | None = None
    """When the chains were last compared with the books (I4), in milliseconds since 1970; null:
    not since the exchange started."""
    fingerprint: str
    """SHA-256 of the engine's whole state; empty unless asked for (`deep`)."""
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
    wallet_sat: AmountInJson
    """BTC on its chain, by the books."""
    wallet_rao: AmountInJson
    """TAO on the chain, by the books."""


def write_key(row: KeyRow) -> KeyLine:
    return KeyLine(
        api_key=row.api_key,
        label=row.label,
        permissions=[Permission(name) for name in row.permissions],
        addresses=row.addresses,
        ed25519=row.public_key is not None,
        created_ms=row.created_ms,
    )
