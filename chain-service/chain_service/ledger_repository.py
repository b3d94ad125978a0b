"""
Every SQL statement of the author: who leads, what the state is, and how a block is written.

A block is one transaction: block, extrinsics, events, changed state, outbox. It either all becomes
true, with the authorship checked in the same breath, or nothing of it does.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

import orjson
from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from chain_service.domain.blocks import AppliedBlock
from chain_service.domain.headers import Header
from chain_service.domain.network import Row
from chain_service.domain.parameters import ChainParameters, read_parameters
from chain_service.domain.roots import StateChange
from chain_service.domain.rows import pack_row, unpack_row
from chain_service.domain.state import State, plant_tree
from chain_service.domain.values import Account, Counters, Neuron, Scores
from chain_service.mempool_repository import COUNT_GONE
from chain_service.rows import write_events
from taonet.kit.rows import copy_rows, write_array

AUTHOR_LOCK = 0x7A1
"""Advisory lock key of the one that writes blocks; it lives and dies with its connection."""
END_MILLISECONDS = 1_000
"""How long the end of a silent holder is waited for: until then the lock is not free."""
BLOCK_COLUMNS: Final = (
    "height, block_hash, parent_hash, time_ms, extrinsics_root, state_root, author, signature, "
    "issuance_rao, free_rao, stake_rao, pot_rao, apply_microseconds"
)
EVENT_TABLE: Final = "event (height, index, extrinsic_index, kind, body, receiver_tag)"
NEURON_FIELDS = tuple(
    field.name for field in fields(Neuron) if field.name not in ("scores", "stakes_rao")
)
SCORE_FIELDS = tuple(field.name for field in fields(Scores))
COUNTER_FIELDS = tuple(field.name for field in fields(Counters))
NEURON_COLUMNS = (*NEURON_FIELDS, *SCORE_FIELDS, "stake_rao", "leaf_hash")
UPSERT_NEURONS = (
    f"INSERT INTO neuron ({', '.join(NEURON_COLUMNS)}) "  # noqa: S608 (our own columns)
    f"SELECT {', '.join(NEURON_COLUMNS)} FROM json_populate_recordset(NULL::neuron, %s::json) "
    "ON CONFLICT (uid) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in NEURON_COLUMNS[1:])
)


class NotLeading(Exception):
    """Another author writes this chain now."""


def try_to_lead(conn: Connection, silence_seconds: float) -> bool:
    """
    Take the author's lock on this connection, if it is free; a silent holder loses it first.

    An author writes through the connection that holds the lock, so one that is cut off can't write
    any more, however late it wakes up.
    """
    conn.execute(
        "SELECT pg_terminate_backend(held.pid, %s) FROM author "
        "JOIN pg_locks AS held ON held.pid = author.backend_pid "
        "WHERE held.locktype = 'advisory' AND held.objid = %s AND held.granted "
        "AND author.beat_at < now() - make_interval(secs => %s)",
        (END_MILLISECONDS, AUTHOR_LOCK, silence_seconds),
    )
    row = conn.execute(
        "SELECT pg_try_advisory_lock(hashtext(current_schema()), %s)", (AUTHOR_LOCK,)
    ).fetchone()
    if row is None or not row[0]:
        return False
    conn.execute(
        "INSERT INTO author (backend_pid, beat_at) VALUES (pg_backend_pid(), now()) "
        "ON CONFLICT (single) DO UPDATE SET backend_pid = excluded.backend_pid, beat_at = now(), "
        "terms = author.terms + 1"
    )
    return True


def load_genesis(conn: Connection) -> ChainParameters | None:
    row = conn.execute("SELECT parameters FROM genesis").fetchone()
    if row is None:
        return None
    return read_parameters(row[0])


def load_genesis_hash(conn: Connection) -> str:
    row = conn.execute("SELECT block_hash FROM genesis").fetchone()
    assert row is not None
    return str(row[0])


def insert_genesis(
    conn: Connection,
    block_hash: str,
    parameters: ChainParameters,
    snapshot_height: int | None = None,
) -> None:
    """Note which chain this is, and the block of the snapshot that it begins with, if it does."""
    conn.execute(
        "INSERT INTO genesis (block_hash, parameters, snapshot_height) VALUES (%s, %s, %s)",
        (block_hash, Jsonb(parameters.as_json()), snapshot_height),
    )


def load_header(conn: Connection, height: int | None = None) -> Header:
    """Return the newest block's header, or that of a height."""
    names = ", ".join(field.name for field in fields(Header))
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            f"SELECT {names} FROM block "  # noqa: S608 (our own columns)
            "WHERE %(height)s::bigint IS NULL OR height = %(height)s ORDER BY height DESC LIMIT 1",
            {"height": height},
        ).fetchone()
    assert row is not None
    return Header(**row)


def load_state(conn: Connection) -> State:
    """Return the state after the newest block."""
    state = State()
    for address, free_rao, nonce, slot in conn.execute(
        "SELECT address, free_rao, nonce, slot FROM account ORDER BY slot"
    ):
        state.accounts[address] = Account(int(free_rao), nonce, slot)
    for neuron in load_neurons(conn):
        state.put_neuron(neuron)
        state.uids[neuron.hotkey] = neuron.uid
    state.weights.update(load_rows(conn, "weights"))
    state.bonds.update(load_rows(conn, "bonds"))
    state.counters = load_counters(conn)
    state.tree = plant_tree(state)
    return state


def load_neurons(conn: Connection, uid: int | None = None) -> Iterator[Neuron]:
    """Yield all neurons, or the one of a uid."""
    with conn.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            "SELECT neuron.*, (SELECT coalesce(jsonb_object_agg(stake.coldkey, stake.stake_rao), "
            "'{}') FROM stake WHERE stake.uid = neuron.uid) AS stakes_rao FROM neuron "
            "WHERE %(uid)s::integer IS NULL OR uid = %(uid)s",
            {"uid": uid},
        )
        for row in cursor:
            yield _read_neuron(row)


def load_rows(conn: Connection, table: str, uid: int | None = None) -> Iterator[tuple[int, Row]]:
    """Yield all rows of weights or bonds by uid, or the one of a uid."""
    assert table in ("weights", "bonds")
    statement = (
        f"SELECT uid, packed FROM {table} "  # noqa: S608 (one of two names)
        "WHERE %(uid)s::integer IS NULL OR uid = %(uid)s"
    )
    for known, packed in conn.execute(statement, {"uid": uid}, binary=True):
        yield known, unpack_row(packed)


def load_counters(conn: Connection) -> Counters:
    row = conn.execute("SELECT entries FROM counters").fetchone()
    assert row is not None
    return Counters.read(row[0])


def save_block(
    conn: Connection,
    block: AppliedBlock,
    apply_microseconds: int,
    sequences: Sequence[int] = (),
) -> None:
    """
    Write all of a block, or raise NotLeading.

    `sequences` are its extrinsics' places in the mempool.
    """
    insert_block(conn, block, apply_microseconds)
    _move_extrinsics(conn, block, sequences)
    copy_rows(conn, EVENT_TABLE, write_events(block))
    save_state(conn, block.layer)
    beat(conn)
    notify(conn, block.header.height)


def beat(conn: Connection) -> None:
    """Tell that this writer lives, or raise NotLeading where another took over."""
    row = conn.execute(
        "UPDATE author SET beat_at = now() WHERE backend_pid = pg_backend_pid() RETURNING single"
    ).fetchone()
    if row is None:
        raise NotLeading("another author took over")


def beat_for(conn: Connection, backend_pid: int) -> None:
    """Tell, on a connection beside its own, that a writer lives; nothing where it was replaced."""
    conn.execute("UPDATE author SET beat_at = now() WHERE backend_pid = %s", (backend_pid,))


def notify(conn: Connection, height: int) -> None:
    """Wake those who watch for blocks, once this is committed."""
    conn.execute("SELECT pg_notify(current_schema() || '.block', %s)", (str(height),))


def insert_block(conn: Connection, block: AppliedBlock, apply_microseconds: int) -> None:
    row = write_block(block, block.header, apply_microseconds)
    conn.execute(
        f"INSERT INTO block ({BLOCK_COLUMNS}) "  # noqa: S608 (our own columns)
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        row,
    )


def write_block(block: AppliedBlock, header: Header, apply_microseconds: int) -> tuple[Any, ...]:
    """Return a block as a row of BLOCK_COLUMNS; a follower's header is the one it was sent."""
    counters = block.layer.counters
    return (
        header.height,
        header.block_hash,
        header.parent_hash,
        header.time_ms,
        header.extrinsics_root,
        header.state_root,
        header.author,
        header.signature,
        block.issuance_rao,
        counters.free_rao,
        counters.stake_rao,
        counters.pot_rao,
        apply_microseconds,
    )


def _move_extrinsics(conn: Connection, block: AppliedBlock, sequences: Sequence[int]) -> None:
    """Move a block's extrinsics out of the mempool, each with its outcome."""
    if not block.outcomes:
        return
    failed = [
        (index, outcome.error) for index, outcome in enumerate(block.outcomes) if outcome.error
    ]
    moved = conn.execute(
        "WITH taken AS (DELETE FROM mempool WHERE sequence = ANY(%(sequences)s::bigint[]) "  # noqa: S608 (our own words)
        "RETURNING sequence, hash, signer, length, body), "
        "gone AS (SELECT length FROM taken), counted AS (" + COUNT_GONE + ") "
        "INSERT INTO extrinsic (hash, height, index, status, error, fee_rao, body, signer_tag) "
        "SELECT taken.hash, %(height)s, outcome.place - 1, "
        "CASE WHEN failed.error IS NULL THEN 'included' ELSE 'failed' END, failed.error, "
        "outcome.fee_rao, taken.body, account_tag(taken.signer) "
        "FROM unnest(%(sequences)s::bigint[], %(fees)s::bigint[]) "
        "WITH ORDINALITY AS outcome (sequence, fee_rao, place) JOIN taken USING (sequence) "
        "LEFT JOIN unnest(%(places)s::bigint[], %(errors)s::text[]) AS failed (place, error) "
        "ON failed.place = outcome.place - 1",
        {
            "height": block.header.height,
            "sequences": write_array(sequences),
            "fees": write_array(outcome.fee_rao for outcome in block.outcomes),
            "places": write_array(index for index, _ in failed),
            "errors": [error for _, error in failed],
        },
    ).rowcount
    if moved != len(block.outcomes):
        raise NotLeading("the mempool changed under this author")


def save_state(conn: Connection, layer: State) -> None:
    """Write what a block, or several, changed."""
    accounts, change = layer.accounts.items(), layer.tree_change
    assert change is not None, "the layer of a sealed block"
    conn.execute(
        "INSERT INTO account (address, free_rao, nonce, slot) "
        "SELECT * FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::bigint[]) "
        "ON CONFLICT (address) DO UPDATE SET free_rao = excluded.free_rao, nonce = excluded.nonce",
        (
            write_array(address for address, _ in accounts),
            write_array(account.free_rao for _, account in accounts),
            write_array(account.nonce for _, account in accounts),
            write_array(account.slot for _, account in accounts),
        ),
    )
    neurons = [
        (layer.neuron(uid), leaf_hash) for uid, leaf_hash in change.neurons.levels[0].items()
    ]
    if neurons:
        described = [_write_neuron(neuron, leaf_hash) for neuron, leaf_hash in neurons]
        conn.execute(UPSERT_NEURONS, (orjson.dumps(described).decode(),))
        _save_stakes(conn, [neuron for neuron, _ in neurons])
    _save_pages(conn, change)
    _save_rows(conn, "weights", layer.weights)
    _save_rows(conn, "bonds", layer.bonds)
    conn.execute(
        "INSERT INTO counters (entries) VALUES (%s) "
        "ON CONFLICT (single) DO UPDATE SET entries = excluded.entries",
        (Jsonb({name: getattr(layer.counters, name) for name in COUNTER_FIELDS}),),
    )


def _save_pages(conn: Connection, change: StateChange) -> None:
    pages = change.accounts.pages
    conn.execute(
        "INSERT INTO account_page (page, hash) SELECT * FROM unnest(%s::integer[], %s::bytea[]) "
        "ON CONFLICT (page) DO UPDATE SET hash = excluded.hash",
        (list(pages), list(pages.values())),
    )


def _save_stakes(conn: Connection, neurons: Sequence[Neuron]) -> None:
    """Write who stands behind these neurons: only the rows that differ."""
    stakes = [
        (coldkey, neuron.uid, stake_rao)
        for neuron in neurons
        for coldkey, stake_rao in neuron.stakes_rao.items()
        if stake_rao
    ]
    columns = {
        "neurons": [neuron.uid for neuron in neurons],
        "coldkeys": [stake[0] for stake in stakes],
        "uids": [stake[1] for stake in stakes],
        "stakes": [stake[2] for stake in stakes],
    }
    conn.execute(
        "DELETE FROM stake WHERE uid = ANY(%(neurons)s) AND (coldkey, uid) NOT IN "
        "(SELECT * FROM unnest(%(coldkeys)s::text[], %(uids)s::integer[]))",
        columns,
    )
    conn.execute(
        "INSERT INTO stake (coldkey, uid, stake_rao) SELECT * FROM "
        "unnest(%(coldkeys)s::text[], %(uids)s::integer[], %(stakes)s::bigint[]) "
        "ON CONFLICT (coldkey, uid) DO UPDATE SET stake_rao = excluded.stake_rao "
        "WHERE stake.stake_rao <> excluded.stake_rao",
        columns,
    )


def _save_rows(conn: Connection, table: str, rows: Mapping[int, Row]) -> None:
    statement = (
        f"INSERT INTO {table} (uid, packed) VALUES (%s, %b) "  # noqa: S608 (one of two names)
        "ON CONFLICT (uid) DO UPDATE SET packed = excluded.packed"
    )
    with conn.cursor() as cursor:
        cursor.executemany(statement, [(uid, pack_row(row).packed) for uid, row in rows.items()])


def _write_neuron(neuron: Neuron, leaf_hash: bytes) -> dict[str, Any]:
    return {
        **{name: getattr(neuron, name) for name in NEURON_FIELDS},
        **{name: getattr(neuron.scores, name) for name in SCORE_FIELDS},
        "stake_rao": neuron.stake_rao,
        "leaf_hash": f"\\x{leaf_hash.hex()}",
    }


def _read_neuron(row: Mapping[str, Any]) -> Neuron:
    scores = {name: _as_integer(row[name]) for name in SCORE_FIELDS}
    return Neuron(
        **{name: row[name] for name in NEURON_FIELDS},
        stakes_rao=row["stakes_rao"],
        scores=Scores(**scores),
    )


def _as_integer(value: Any) -> Any:
    return value if isinstance(value, bool) else int(value)
