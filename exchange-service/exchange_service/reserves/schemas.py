"""A proof of reserves on the wire; amounts are satoshi and rao, as strings."""

from pydantic import BaseModel

from exchange_service.domain.commands import Asset
from exchange_service.domain.reserves import Leaf, Sibling
from taonet.kit.money import AmountInJson


class ControlledAddress(BaseModel):
    """An address whose key signed the challenge, and what its chain holds on it."""

    asset: Asset
    address: str
    public_key: str
    signature: str
    """BTC: ECDSA over SHA-256 of the text, DER. TAO: sr25519 over the text. Both in hex."""
    amount: AmountInJson


class HeldCoin(BaseModel):
    """An unspent output of Bitcoin, to be looked up on any node."""

    txid: str
    vout: int
    amount_sat: AmountInJson
    address: str


class ReservesView(BaseModel):
    root: str
    """The Merkle sum tree's, over all users' balances."""
    users: int
    owed_sat: AmountInJson
    owed_rao: AmountInJson
    held_sat: AmountInJson
    held_rao: AmountInJson
    journal_sequence: int
    """The last entry of the journal that the balances include."""
    bitcoin_height: int
    tao_height: int
    challenge: str
    """What was signed, after `taonet reserves: `: root, sums, journal, both chains' heights."""
    controls: list[ControlledAddress]
    coins: list[HeldCoin]
    created_ms: int


class LeafView(BaseModel):
    account_id: int
    salt: str
    sat: AmountInJson
    rao: AmountInJson


class SiblingView(BaseModel):
    hash: str
    sat: AmountInJson
    rao: AmountInJson
    is_left: bool


class PathView(BaseModel):
    """From one user's balances to the root."""

    root: str
    leaf: LeafView
    siblings: list[SiblingView]


def write_path(root: str, leaf: Leaf, siblings: list[Sibling]) -> PathView:
    return PathView(
        root=root,
        leaf=LeafView(
            account_id=leaf.account_id, salt=leaf.salt.hex(), sat=leaf.sat, rao=leaf.rao
        ),
        siblings=[
            SiblingView(hash=one.node.hash.hex(), sat=one.node.sat, rao=one.node.rao,
                        is_left=one.is_left)
            for one in siblings
        ],
    )  # fmt: skip
