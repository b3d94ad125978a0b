"""What the chain does when asked: take an extrinsic, or answer a question. One transaction each."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import Connection

from chain_service import mempool_repository, repository
from chain_service.domain.blocks import Order, calculate_fee
from chain_service.domain.errors import (
    BlockNotKept,
    Expired,
    FollowsOnly,
    InsufficientBalance,
    MempoolFull,
    NoSuchBlock,
    NoSuchExtrinsic,
    NoSuchNeuron,
    UnknownSigner,
    ValidTooLong,
    WrongGenesis,
    WrongNonce,
)
from chain_service.domain.parameters import read_parameters
from chain_service.domain.registration import Work, check_work
from chain_service.domain.values import Counters
from chain_service.mempool_repository import MempoolSize, StandingRow, WaitingRow
from chain_service.orders import SignedOrder
from chain_service.repository import HeadRow
from chain_service.schemas import (
    Account,
    Head,
    Metagraph,
    Neuron,
    Parameters,
    Receipt,
    Submitted,
    Supply,
)
from taonet.kit.errors import Refusal, Unavailable

WAITING_MAX = 100_000
"""Extrinsics that wait at once; more are told to come again."""
WAITING_BYTES_MAX = 256_000_000
"""Of canonical JSON: far more than 100,000 transfers take; all that 128 signers may have."""
WAITING_PER_SIGNER_MAX = 5_000
WAITING_BYTES_PER_SIGNER_MAX = 2_000_000
"""Of canonical JSON: 5,000 transfers, or 6 of the largest extrinsics."""
VALID_BLOCKS_MAX = 10_000
"""How far ahead an extrinsic's last valid block may lie."""
BLOCKS_PER_PAGE = 100
EVENT_BLOCKS_PER_PAGE = 1_000
EVENTS_PER_PAGE = 20_000
"""What a page of events looks through, at most; a filter leaves fewer."""


@dataclass(frozen=True)
class Page:
    """What was asked for, of some blocks in a row."""

    entries: Sequence[tuple[str, str]]
    """Each by its name on the chain, height or height-index, and as JSON."""
    next_height: int
    """The first block that was not looked at."""


@dataclass(frozen=True)
class EventFilter:
    kinds: Sequence[str] = ()
    """Of these kinds; of all, where none is named."""
    account: str | None = None
    """That name this address."""


@dataclass
class MempoolRoom:
    """What may still come to those that wait."""

    extrinsics: int
    length: int

    @classmethod
    def besides(cls, waiting: MempoolSize) -> "MempoolRoom":
        return cls(WAITING_MAX - waiting.extrinsics, WAITING_BYTES_MAX - waiting.bytes)

    def take(self, order: Order) -> None:
        """Make room for an order, or refuse it."""
        if self.extrinsics <= 0:
            raise MempoolFull(f"{WAITING_MAX} extrinsics wait already; send it again later")
        if self.length < order.length:
            raise MempoolFull(
                f"{WAITING_BYTES_MAX - self.length} bytes wait already, and {WAITING_BYTES_MAX} "
                "may; send it again later"
            )
        self.extrinsics -= 1
        self.length -= order.length


def submit_extrinsics(conn: Connection, signed: Sequence[SignedOrder]) -> list[Submitted | Refusal]:
    """
    Take in each extrinsic that may go into a block, and say why not of each other.

    Once this is committed, none that was taken is lost.
    """
    mempool_repository.lock_mempool(conn)
    head = load_head(conn)
    parameters = read_parameters(head.parameters)
    standings = mempool_repository.load_standings(
        conn, sorted({entry.order.signer for entry in signed})
    )
    room = MempoolRoom.besides(mempool_repository.measure_waiting(conn))
    answers: list[Submitted | Refusal] = []
    rows: list[WaitingRow] = []
    for entry in signed:
        order, standing = entry.order, standings[entry.order.signer]
        try:
            check_envelope(entry, head)
            fee_rao = calculate_fee(order, parameters)
            check_order(order, standing, fee_rao, head)
            room.take(order)
        except Refusal as refusal:
            answers.append(refusal)
            continue
        standing.next_nonce += 1
        standing.waiting += 1
        standing.fees_rao += fee_rao
        standing.fees_sum_rao += fee_rao
        standing.length += order.length
        standing.lengths_sum += order.length
        fees = (fee_rao, standing.fees_sum_rao)
        lengths = (order.length, standing.lengths_sum)
        rows.append((order.hash, order.signer, order.nonce, *fees, *lengths, entry.body))
        answers.append(Submitted(hash=order.hash))
    mempool_repository.insert_waiting(conn, rows)
    return answers


def check_writable(leader: str) -> None:
    """Refuse where this chain only follows another."""
    if leader:
        raise FollowsOnly(f"this chain only follows; send extrinsics to {leader}", leader=leader)


def check_order(order: Order, standing: StandingRow, fee_rao: int, head: HeadRow) -> None:
    """Refuse an order that is not its signer's next, or that nobody would pay for."""
    if order.nonce != standing.next_nonce:
        raise WrongNonce(
            f"expected {standing.next_nonce}, got {order.nonce}", next_nonce=standing.next_nonce
        )
    if standing.waiting >= WAITING_PER_SIGNER_MAX:
        raise MempoolFull(
            f"{WAITING_PER_SIGNER_MAX} extrinsics of {order.signer} wait already; "
            "send it again once some are in a block",
            next_nonce=standing.next_nonce,
        )
    if standing.length + order.length > WAITING_BYTES_PER_SIGNER_MAX:
        raise MempoolFull(
            f"{standing.length} bytes of {order.signer} wait already, and "
            f"{WAITING_BYTES_PER_SIGNER_MAX} may; send it again once some are in a block",
            next_nonce=standing.next_nonce,
        )
    check_standing(order, standing, fee_rao, head)


def check_envelope(signed: SignedOrder, head: HeadRow) -> None:
    """Refuse what was signed for another chain, for the past, or for the far future."""
    order = signed.order
    if signed.genesis_hash != head.genesis_hash:
        raise WrongGenesis(f"signed for another chain; this one's genesis is {head.genesis_hash}")
    if order.last_valid_block <= head.height:
        raise Expired(f"valid until block {order.last_valid_block}, the chain is at {head.height}")
    if order.last_valid_block > head.height + VALID_BLOCKS_MAX:
        raise ValidTooLong(f"the last valid block may be {VALID_BLOCKS_MAX} ahead, no more")


def check_standing(order: Order, standing: StandingRow, fee_rao: int, head: HeadRow) -> None:
    """
    Refuse signers who could fill blocks for nothing.

    They must have the fees of all they have waiting, and money, stake or a neuron; or else bring
    the work of a registration.
    """
    if fee_rao and standing.free_rao < standing.fees_rao + fee_rao:
        waiting = f", {standing.fees_rao} are due for what waits" if standing.fees_rao else ""
        raise InsufficientBalance(
            f"the fee is {fee_rao} rao{waiting}, {order.signer} holds {standing.free_rao}",
            next_nonce=standing.next_nonce,
        )
    if order.call == "register":
        check_registration(order, standing, head)
    elif not standing.is_known:
        raise UnknownSigner(
            f"{order.signer} has no money, no stake and no neuron; send it TAO first, or "
            "register a hotkey of its own by work",
            next_nonce=standing.next_nonce,
        )


def check_registration(order: Order, standing: StandingRow, head: HeadRow) -> None:
    """Refuse work that does not hold now, and a stranger's second; the block looks again."""
    if standing.waiting and not standing.is_known:
        raise UnknownSigner(
            f"a registration of {order.signer} waits for its block already",
            next_nonce=standing.next_nonce,
        )
    told = order.arguments
    work = Work(told["block_number"], told["nonce"], bytes.fromhex(told["seal"]))
    check_work(Counters.read(head.counters), head.height, order.signer, work)


def load_head(conn: Connection) -> HeadRow:
    head = repository.load_head(conn)
    if head is None:
        raise Unavailable("the chain has no genesis yet; its author has not started")
    return head


def read_head(conn: Connection) -> Head:
    head = load_head(conn)
    return Head(
        height=head.height,
        block_hash=head.block_hash,
        time_ms=head.time_ms,
        genesis_hash=head.genesis_hash,
        block_seconds=head.parameters["block_milliseconds"] / 1000,
        preset=head.parameters["preset"],
    )


def check_kept(conn: Connection, from_height: int) -> None:
    """Refuse to tell of blocks up to the snapshot that this node began with."""
    snapshot_height = repository.load_snapshot_height(conn)
    if snapshot_height is not None and from_height <= snapshot_height:
        raise BlockNotKept(
            f"this node began with a snapshot of block {snapshot_height}; ask it from "
            f"{snapshot_height + 1} on, and one that has the whole chain for what was before",
            first_height=snapshot_height + 1,
        )


def describe_parameters(conn: Connection) -> Parameters:
    head = load_head(conn)
    live = {name: head.counters[name] for name in ("difficulty", "burn_rao", "last_step_block")}
    return Parameters.model_validate({**head.parameters, **live})


def read_blocks(conn: Connection, from_height: int, limit: int) -> Page:
    """Return a page of blocks; Postgres composed their JSON."""
    check_kept(conn, from_height)
    rows = repository.load_blocks(conn, from_height, min(limit, BLOCKS_PER_PAGE))
    following = rows[-1][0] + 1 if rows else from_height
    return Page([(str(height), block) for height, block in rows], following)


def read_block(conn: Connection, height: int) -> str:
    page = read_blocks(conn, height, 1)
    if page.next_height != height + 1:
        raise NoSuchBlock(f"there is no block {height}; the chain is at {load_head(conn).height}")
    return page.entries[0][1]


def read_events(conn: Connection, wanted: EventFilter, from_height: int, from_index: int) -> Page:
    """Return a page of events, from a block and an index in it on."""
    check_kept(conn, from_height)
    last = repository.find_last_height(conn, from_height, EVENT_BLOCKS_PER_PAGE, EVENTS_PER_PAGE)
    if last is None:
        return Page([], from_height)
    rows = repository.load_events(conn, from_height, last, wanted.kinds, wanted.account)
    entries = [
        (f"{height}-{index}", told)
        for height, index, told in rows
        if height > from_height or index >= from_index
    ]
    return Page(entries, last + 1)


def read_changed_metagraph(conn: Connection, from_height: int) -> Page:
    """Return the metagraph as it is, if a neuron changed since a block; first in a transaction."""
    repository.freeze(conn)
    height = load_head(conn).height
    if not repository.has_network_changed(conn, from_height):
        return Page([], height + 1)
    return Page([(str(height), repository.load_metagraph(conn))], height + 1)


def read_receipt(conn: Connection, extrinsic_hash: str) -> Receipt:
    row = repository.load_receipt(conn, extrinsic_hash)
    if row is None:
        raise NoSuchExtrinsic("the chain knows no extrinsic of this hash")
    return Receipt.model_validate(row)


def read_account(conn: Connection, address: str) -> Account:
    row = repository.load_account(conn, address)
    return Account(
        address=address, free_rao=row.free_rao, stake_rao=row.stake_rao, nonce=row.next_nonce
    )


def read_metagraph(conn: Connection) -> str:
    return repository.load_metagraph(conn)


def read_neuron(conn: Connection, uid: int) -> Neuron:
    """Return a neuron with its weights and bonds of one block; first in a transaction."""
    repository.freeze(conn)
    neurons = Metagraph.model_validate_json(repository.load_metagraph(conn, uid)).neurons
    if not neurons:
        raise NoSuchNeuron(f"there is no neuron {uid}")
    rows = {
        "weights": repository.load_row(conn, "weights", uid),
        "bonds_rao": repository.load_row(conn, "bonds", uid),
    }
    return neurons[0].model_copy(update=rows)


def read_supply(conn: Connection, at: int | None) -> Supply:
    row = repository.load_supply(conn, at)
    if row is None and at is not None:
        check_kept(conn, at)
    if row is None:
        raise NoSuchBlock(f"there is no block {at}; the chain is at {load_head(conn).height}")
    return Supply.model_validate(row, from_attributes=True)
