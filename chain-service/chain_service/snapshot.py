"""
Snapshots: the whole state after one block, so that checking a chain, or a node, may begin late.

Lines of JSON: first the block's header with genesis and rules, then each account by slot, then
each neuron with its rows. Whoever reads one hashes all of it, and compares the signed root.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import orjson
from psycopg import Connection
from pydantic import ValidationError

from chain_service import feed_repository, ledger_repository, repository
from chain_service.domain.blocks import AppliedBlock, change_tree, check_loaded, make_genesis
from chain_service.domain.headers import Header
from chain_service.domain.parameters import read_parameters
from chain_service.domain.replay import expect, replay_genesis
from chain_service.domain.roots import StateTree
from chain_service.domain.rows import pack_row
from chain_service.domain.state import State, plant_tree
from chain_service.domain.supply import calculate_issuance
from chain_service.domain.values import Account, Counters, Neuron, Scores
from chain_service.replay import Replay
from chain_service.sealed import BadBlock
from taonet.kit.errors import Refusal
from taonet.kit.keys import check_signature

UNREADABLE = (
    *(Refusal, ValidationError, ValueError, TypeError, AttributeError, LookupError),
    *(ArithmeticError, AssertionError, StopIteration),
)
"""What reading raises where a snapshot holds anything but what `tell_snapshot` writes."""


def tell_snapshot(conn: Connection) -> Iterator[bytes]:
    """Yield the lines of the state as of the newest block, all of one moment."""
    repository.freeze(conn)
    parameters = ledger_repository.load_genesis(conn)
    assert parameters is not None
    told = {
        "header": asdict(ledger_repository.load_header(conn)),
        "genesis": asdict(ledger_repository.load_header(conn, height=0)),
        "parameters": parameters.as_json(),
        "counters": asdict(ledger_repository.load_counters(conn)),
    }
    yield orjson.dumps(told) + b"\n"
    for page in feed_repository.load_account_lines(conn):
        yield "".join(f"{line}\n" for line in page).encode()
    weights = dict(ledger_repository.load_rows(conn, "weights"))
    bonds = dict(ledger_repository.load_rows(conn, "bonds"))
    for neuron in sorted(ledger_repository.load_neurons(conn), key=lambda neuron: neuron.uid):
        rows = {"weights": weights.get(neuron.uid, ()), "bonds": bonds.get(neuron.uid, ())}
        pairs = {name: [list(pair) for pair in row] for name, row in rows.items()}
        yield orjson.dumps({**asdict(neuron), **pairs}) + b"\n"


class NotEmpty(Refusal):
    """A snapshot begins a chain's database; this one holds a chain already."""


@dataclass(frozen=True)
class Snapshot:
    """A state under a root that the author signed."""

    replay: Replay
    """Stands at the snapshot's block."""
    genesis: Header


def is_snapshot(first_line: bytes) -> bool:
    """Tell a snapshot from a chain's blocks by its first line."""
    try:
        return "counters" in orjson.loads(first_line)
    except (ValueError, TypeError):
        return False


def read_snapshot(lines: Iterable[bytes], author: str | None = None) -> Snapshot:
    """Return what a snapshot holds, or refuse what is not under its root."""
    lines = iter(lines)
    try:
        told = orjson.loads(next(lines))
        if "counters" not in told:
            raise BadBlock("it holds blocks; `taonet chain export --snapshot` writes a state")
        head, genesis = Header(**told["header"]), Header(**told["genesis"])
        parameters = read_parameters(told["parameters"])
        expect(0, "author", author or parameters.author, parameters.author)
        for header in (genesis, head):
            expect(header.height, "author", parameters.author, header.author)
            check_signature(header.author, bytes.fromhex(header.block_hash), header.signature)
        replay_genesis(genesis, parameters)
        state = State(counters=Counters.read(told["counters"]))
        for line in lines:
            _read_line(state, orjson.loads(line))
        expect(head.height, "height", head.height, state.counters.height)
        expect(head.height, "block hash", head.block_hash, state.counters.recent_hashes[-1])
        expect(head.height, "number of neurons", state.counters.neuron_count, len(state.neurons))
        if sorted(state.neurons) != list(range(len(state.neurons))):
            raise BadBlock("its neurons' uids are not one after another from 0")
        state.tree = plant_tree(state)
        check_loaded(state, head, parameters)
    except UNREADABLE as error:
        raise BadBlock(f"the snapshot can't be read: {error}") from None
    return Snapshot(Replay(parameters, genesis.block_hash, head, state), genesis)


def save_snapshot(conn: Connection, snapshot: Snapshot) -> None:
    """Begin a chain's database with a snapshot: its state, its block's header, and genesis'."""
    if (stored := ledger_repository.load_genesis(conn)) is not None:
        height = ledger_repository.load_header(conn).height
        raise NotEmpty(
            f"the database holds a chain of {stored.author} up to block {height}; a snapshot "
            "begins in an empty one"
        )
    replay, state = snapshot.replay, snapshot.replay.state
    first = make_genesis(replay.parameters, snapshot.genesis.time_ms)
    issuance_rao = calculate_issuance(replay.head.height, replay.parameters)
    head = AppliedBlock(replay.head, (), (), (), state, issuance_rao)
    everything = replace(state, tree=StateTree())
    everything.tree_change = change_tree(everything)
    with conn.transaction():
        conn.execute("SET LOCAL statement_timeout = 0")
        ledger_repository.insert_genesis(
            conn, replay.genesis_hash, replay.parameters, replay.head.height
        )
        for block in (replace(first, header=snapshot.genesis), head):
            ledger_repository.insert_block(conn, block, 0)
        ledger_repository.save_state(conn, everything)


def _read_line(state: State, told: Any) -> None:
    if isinstance(told, list):
        address, free_rao, nonce = told
        state.accounts[address] = Account(int(free_rao), nonce, len(state.accounts))
        return
    weights, bonds = told.pop("weights"), told.pop("bonds")
    neuron = Neuron(**{**told, "scores": Scores(**told["scores"])})
    state.put_neuron(neuron)
    state.uids[neuron.hotkey] = neuron.uid
    state.weights[neuron.uid], state.bonds[neuron.uid] = pack_row(weights), pack_row(bonds)
