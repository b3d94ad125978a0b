"""What the chain says and takes over HTTP, as other services and the command line see it."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from chain_service.events import ChainEvent
from taonet.kit.keys import check_address
from taonet.kit.money import AmountInJson

NAME_LENGTH_MAX = 32
"""Characters of a neuron's name."""
CALLS_PER_BATCH_MAX = 64
NEURONS_PER_CALL_MAX = 4096
UINT32_MAX = 2**32 - 1
SAFE_INTEGER_MAX = 2**53 - 1
"""The largest integer that every JSON reader keeps exact (RFC 8785)."""
EXTRINSICS_PER_REQUEST_MAX = 1_000


def _check_label(text: str) -> str:
    if not text.isprintable():
        raise ValueError("a name holds printable characters only")
    return text


Address = Annotated[str, Field(min_length=46, max_length=50), AfterValidator(check_address)]
"""SS58 address of a coldkey or a hotkey."""
Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Uint32 = Annotated[int, Field(ge=0, le=UINT32_MAX, strict=True)]
Index = Annotated[int, Field(ge=0, le=SAFE_INTEGER_MAX, strict=True)]
UidRow = Annotated[list[Uint32], Field(max_length=NEURONS_PER_CALL_MAX)]


class Arguments(BaseModel):
    """What a call takes; a name too many is as wrong as one too few."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TransferArguments(Arguments):
    receiver: Address
    amount_rao: AmountInJson


class TransferAllArguments(Arguments):
    receiver: Address


class RegisterArguments(Arguments):
    block_number: Index
    nonce: Index
    seal: Hash
    coldkey: Address


class BurnedRegisterArguments(Arguments):
    hotkey: Address


class StakeArguments(Arguments):
    hotkey: Address
    amount_rao: AmountInJson


class SetWeightsArguments(Arguments):
    uids: UidRow
    values: UidRow
    version_key: Index = 0


class ServeAxonArguments(Arguments):
    ip: Annotated[str, Field(pattern=r"^[0-9a-fA-F:.]{2,45}$")]
    port: Annotated[int, Field(ge=1, le=65535, strict=True)]
    name: Annotated[str, Field(max_length=NAME_LENGTH_MAX), AfterValidator(_check_label)] = ""


class CommitWeightsArguments(Arguments):
    commit_hash: Hash


class RevealWeightsArguments(Arguments):
    uids: UidRow
    values: UidRow
    salt: Hash
    version_key: Index = 0


class BecomeDelegateArguments(Arguments):
    hotkey: Address
    take: Annotated[int, Field(ge=0, le=65535, strict=True)]
    """Share of the delegators' payout that the owner keeps: 65535 would be all of it."""


class SwapHotkeyArguments(Arguments):
    hotkey: Address
    new_hotkey: Address


class BatchedCall(Arguments):
    call: str
    arguments: dict[str, Any]


class BatchArguments(Arguments):
    calls: Annotated[list[BatchedCall], Field(min_length=1, max_length=CALLS_PER_BATCH_MAX)]


ARGUMENTS: dict[str, type[Arguments]] = {
    "transfer": TransferArguments,
    "transfer_all": TransferAllArguments,
    "register": RegisterArguments,
    "burned_register": BurnedRegisterArguments,
    "add_stake": StakeArguments,
    "remove_stake": StakeArguments,
    "set_weights": SetWeightsArguments,
    "serve_axon": ServeAxonArguments,
    "commit_weights": CommitWeightsArguments,
    "reveal_weights": RevealWeightsArguments,
    "become_delegate": BecomeDelegateArguments,
    "nominate": StakeArguments,
    "un_nominate": StakeArguments,
    "swap_hotkey": SwapHotkeyArguments,
    "batch": BatchArguments,
}
"""Every call by name, with what it takes."""


class Extrinsic(BaseModel):
    """A signed order to the chain, as it travels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    genesis_hash: Hash
    signer: Address
    nonce: Index
    last_valid_block: Index
    tip_rao: AmountInJson = 0
    call: Annotated[str, Field(max_length=40)]
    arguments: dict[str, Any]
    signature: Annotated[str, Field(pattern="^[0-9a-f]{128}$")]

    def payload(self) -> dict[str, Any]:
        """Return what the signature covers: every field but itself, as JSON has it."""
        # Written out: dumping a model costs four times as much.
        return {
            "genesis_hash": self.genesis_hash,
            "signer": self.signer,
            "nonce": self.nonce,
            "last_valid_block": self.last_valid_block,
            "tip_rao": str(self.tip_rao),
            "call": self.call,
            "arguments": self.arguments,
        }


class Submitted(BaseModel):
    hash: str


class Told(BaseModel):
    """Why an extrinsic was refused: `{code, message}`, and what a program may use."""

    model_config = ConfigDict(extra="allow")

    code: str
    message: str


class SubmittedOrRefused(BaseModel):
    """One extrinsic's part of the answer to many: its hash, or why it was refused."""

    hash: str | None = None
    error: Told | None = None


ExtrinsicStatus = Literal["pending", "included", "failed", "expired"]


class Receipt(BaseModel):
    """What became of an extrinsic."""

    hash: str
    status: ExtrinsicStatus
    height: int | None = None
    """The block that holds it; none while it is pending, or when it expired outside any."""
    error: str | None = None
    """`NotEnoughBalanceToStake: …`: the refusal's name, and its sentence."""
    fee_rao: AmountInJson = 0


class Head(BaseModel):
    height: int
    block_hash: str
    time_ms: int
    genesis_hash: str
    block_seconds: float
    preset: str = ""


class Header(BaseModel):
    height: int
    block_hash: str
    parent_hash: str
    time_ms: int
    extrinsics_root: str
    state_root: str
    author: str
    """Who may write this chain; the genesis parameters name the same address."""
    signature: str
    """The author's sr25519 over the block hash, which covers all the other fields."""


class IncludedExtrinsic(BaseModel):
    """An extrinsic in its block, with its outcome."""

    hash: str
    status: ExtrinsicStatus
    error: str | None = None
    fee_rao: AmountInJson = 0
    extrinsic: Extrinsic


class Block(BaseModel):
    header: Header
    extrinsics: list[IncludedExtrinsic]
    events: list[ChainEvent]

    @property
    def height(self) -> int:
        return self.header.height


class BlockSummary(BaseModel):
    """A block at a glance: what it holds is counted, not told."""

    height: int
    block_hash: str
    time_ms: int
    extrinsics: int
    events: int
    paid_rao: AmountInJson
    """What a step that ended here gave to neurons."""
    issuance_rao: AmountInJson
    """All that was minted up to here."""


class PlacedExtrinsic(IncludedExtrinsic):
    """An extrinsic with where it stands; one that waits or expired stands nowhere."""

    height: int | None
    index: int | None
    time_ms: int | None
    events: list[ChainEvent]
    """What it caused."""


class SignedLine(BaseModel):
    """An extrinsic in the list of what an account signed."""

    hash: str
    height: int
    index: int
    time_ms: int
    status: ExtrinsicStatus
    error: str | None
    fee_rao: AmountInJson
    call: str
    arguments: dict[str, Any] | None
    """None where they are long."""


class EventLine(BaseModel):
    time_ms: int
    event: ChainEvent


class Payout(BaseModel):
    """What one step gave to whom."""

    height: int
    time_ms: int
    issuance_rao: AmountInJson
    uids: list[int]
    amounts_rao: list[AmountInJson]
    """Of each uid, in the same order."""


class StakeLine(BaseModel):
    uid: int
    stake_rao: AmountInJson


class WeightRow(BaseModel):
    """How one neuron rates others."""

    uid: int
    weights: list[tuple[int, int]]
    """(uid, weight of 2^32 - 1)."""


class Account(BaseModel):
    address: str
    free_rao: AmountInJson
    stake_rao: AmountInJson
    """What this coldkey has behind neurons, its own or others'."""
    nonce: int
    """The next extrinsic's nonce; those still pending are counted."""


class PathLevel(BaseModel):
    """A level of a path to the state root: where the known hash stands among the others."""

    position: int
    siblings: list[str]


class Proof(BaseModel):
    """What an account or a neuron is, in a form that `verify_proof.py` checks without trust."""

    leaf: dict[str, Any]
    path: list[PathLevel]
    """From the leaf up; the last level joins accounts, neurons and counters."""
    header: Header


class Axon(BaseModel):
    ip: str
    port: int


class Neuron(BaseModel):
    uid: int
    name: str
    hotkey: str
    coldkey: str
    stake_rao: AmountInJson
    rank: float
    trust: float
    consensus: float
    incentive: float
    dividends: float
    emission_rao: AmountInJson
    """What the last payout gave."""
    active: bool
    last_update_block: int
    registered_block: int
    priority: int = 0
    """Of its weights, while they wait: a step adds floor(log2(stake + 1)), setting some ends it."""
    axon: Axon | None
    take: int | None = None
    """Of 65,535: what a delegate keeps of its delegators' pay; none while it is no delegate."""
    weights: list[tuple[int, int]] | None = None
    """(uid, weight of 2^32 - 1); only when one neuron is asked for."""
    bonds_rao: list[tuple[int, AmountInJson]] | None = None
    """(uid, rao); only when one neuron is asked for."""


class Events(BaseModel):
    """A page of events; the next begins at `next_from`, which may be above the newest block."""

    events: list[ChainEvent]
    next_from: int


class Metagraph(BaseModel):
    height: int
    neurons: list[Neuron]

    def find(self, hotkey: str) -> Neuron | None:
        """Return the neuron of this hotkey, if it is registered."""
        return next((neuron for neuron in self.neurons if neuron.hotkey == hotkey), None)


class Supply(BaseModel):
    height: int
    issuance_rao: AmountInJson
    free_rao: AmountInJson
    stake_rao: AmountInJson
    pot_rao: AmountInJson


class Parameters(BaseModel):
    """The genesis parameters (domain/parameters.py explains each), and what moves."""

    model_config = ConfigDict(extra="allow")

    preset: str
    author: str = ""
    """Who signs every block."""
    block_milliseconds: int
    blocks_per_step: int
    activity_cutoff_blocks: int
    min_allowed_weights: int
    max_weight_limit_u32: int
    weights_rate_limit_blocks: int
    weights_version_key: int
    existential_deposit_rao: AmountInJson
    transfer_fee_rao: AmountInJson
    fee_rao_per_byte: AmountInJson
    difficulty: AmountInJson
    """Live: hashes that a registration takes on average."""
    burn_rao: AmountInJson
    """Live: what a burned registration costs."""
    last_step_block: int = 0
    """Live: the block of the last payout."""
