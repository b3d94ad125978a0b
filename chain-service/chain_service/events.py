"""
Facts that blocks hold, as other services read them.

An event is named for ever by (height, index): consumers remember that pair to count it once.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Tag

from taonet.kit.money import AmountInJson

BLOCKS_STREAM = "chain.blocks"
MEMPOOL_STREAM = "chain.mempool"


class BaseEvent(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    height: int
    index: int
    extrinsic_index: int | None = None
    """Which extrinsic of the block caused it; none where the block itself did."""


class Transferred(BaseEvent):
    kind: Literal["Transferred"] = "Transferred"
    sender: str
    receiver: str
    amount_rao: AmountInJson


class Registered(BaseEvent):
    kind: Literal["Registered"] = "Registered"
    uid: int
    hotkey: str
    coldkey: str


class Pruned(BaseEvent):
    kind: Literal["Pruned"] = "Pruned"
    uid: int
    hotkey: str
    amount_rao: AmountInJson
    """Stake that returned to the coldkeys."""


class StakeAdded(BaseEvent):
    kind: Literal["StakeAdded"] = "StakeAdded"
    uid: int
    coldkey: str
    amount_rao: AmountInJson


class StakeRemoved(BaseEvent):
    kind: Literal["StakeRemoved"] = "StakeRemoved"
    uid: int
    coldkey: str
    amount_rao: AmountInJson


class WeightsSet(BaseEvent):
    kind: Literal["WeightsSet"] = "WeightsSet"
    uid: int


class WeightsCommitted(BaseEvent):
    kind: Literal["WeightsCommitted"] = "WeightsCommitted"
    uid: int
    commit_hash: str


class AxonServed(BaseEvent):
    kind: Literal["AxonServed"] = "AxonServed"
    uid: int
    ip: str
    port: int


class DelegateAdded(BaseEvent):
    kind: Literal["DelegateAdded"] = "DelegateAdded"
    uid: int
    take: int


class HotkeySwapped(BaseEvent):
    kind: Literal["HotkeySwapped"] = "HotkeySwapped"
    uid: int
    hotkey: str
    new_hotkey: str


class Paid(BaseEvent):
    """A step gave a neuron its share of the pot; it lies on the neuron's stake."""

    kind: Literal["Paid"] = "Paid"
    uid: int
    amount_rao: AmountInJson


class UnknownEvent(BaseEvent):
    """An event of a later version of the chain."""

    kind: str


_KNOWN = {
    model.__name__ for model in BaseEvent.__subclasses__() if model.__name__ != "UnknownEvent"
}


def _tag(value: Any) -> str:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return kind if kind in _KNOWN else "UnknownEvent"


ChainEvent = Annotated[
    Annotated[Transferred, Tag("Transferred")]
    | Annotated[Registered, Tag("Registered")]
    | Annotated[Pruned, Tag("Pruned")]
    | Annotated[StakeAdded, Tag("StakeAdded")]
    | Annotated[StakeRemoved, Tag("StakeRemoved")]
    | Annotated[WeightsSet, Tag("WeightsSet")]
    | Annotated[WeightsCommitted, Tag("WeightsCommitted")]
    | Annotated[AxonServed, Tag("AxonServed")]
    | Annotated[DelegateAdded, Tag("DelegateAdded")]
    | Annotated[HotkeySwapped, Tag("HotkeySwapped")]
    | Annotated[Paid, Tag("Paid")]
    | Annotated[UnknownEvent, Tag("UnknownEvent")],
    Discriminator(_tag),
]
"""One event of a block, by its `kind`."""


@dataclass(frozen=True)
class BlockSealed:
    """A block was committed: what the stream `chain.blocks` carries, one entry a block."""

    height: int
    block_hash: str
    time_ms: int
    issuance_rao: str
    extrinsics: int
    events: int
    """How many; `GET /blocks/{height}` tells them."""
