"""What one asks the signer, on the wire."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from exchange_service.domain.commands import Asset
from taonet.kit.money import AmountInJson

COINS_MAX = 500
Number = Annotated[int, Field(ge=0, lt=2**53)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WalletView(BaseModel):
    """The exchange's own addresses: where sweeps and change go."""

    tao: str
    btc: str


class AddressRequest(_Request):
    account_id: Annotated[int, Field(ge=1, lt=2**31)]
    asset: Asset


class AddressView(BaseModel):
    address: str


class ChainPlace(_Request):
    """What an extrinsic must say of the chain it is for."""

    genesis_hash: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    nonce: Number
    last_valid_block: Number


class Outpoint(_Request):
    txid: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    vout: Annotated[int, Field(ge=0, lt=2**31)]


class BitcoinRequest(_Request):
    """Coins for the first version of a payment; none for a dearer one."""

    coins: Annotated[list[Outpoint], Field(max_length=COINS_MAX)] = []
    fee_sat: AmountInJson
    height: Number
    """The tip's, for reckoning how long the payment waits."""


class PaymentView(BaseModel):
    txid: str
    withdrawal_id: int
    raw: str
    fee_sat: AmountInJson
    virtual_bytes: int
    signed_height: int


class ChallengeRequest(_Request):
    challenge: Annotated[str, Field(max_length=900)]


class ControlView(BaseModel):
    asset: Asset
    address: str
    public_key: str
    signature: str
