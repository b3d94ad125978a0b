"""
Proofs: a leaf of the state, and the path from it to a state root that the author signed.

Nobody needs to trust who hands one out: `verify_proof.py` checks it with nothing but a hash.
"""

import json
from collections.abc import Sequence
from typing import Any

from psycopg import Connection

from chain_service import ledger_repository, proof_repository, repository
from chain_service.domain.errors import NoSuchAccount, NoSuchNeuron
from chain_service.domain.merkle import PAGE_SLOTS, MerkleTree, Siblings, hash_leaf
from chain_service.domain.roots import (
    ACCOUNTS_POSITION,
    NEURONS_POSITION,
    encode_account,
    encode_neuron,
    top_of_path,
)
from chain_service.schemas import Header, PathLevel, Proof


def prove_account(conn: Connection, address: str) -> Proof:
    """Prove what an account holds; reads the 4096 accounts of its page, and the pages' hashes."""
    repository.freeze(conn)
    account = proof_repository.load_slotted(conn, address)
    if account is None:
        raise NoSuchAccount(f"{address} was in no block yet, so there is nothing to prove")
    page, place = divmod(account.slot, PAGE_SLOTS)
    within = MerkleTree(
        hash_leaf(encode_account(*entry)) for entry in proof_repository.load_page(conn, page)
    )
    above = MerkleTree(proof_repository.load_page_hashes(conn), levels_min=0)
    neurons = MerkleTree(proof_repository.load_neuron_hashes(conn))
    path = within.path(place) + above.path(page)
    return _join(
        conn, encode_account(address, account), path, ACCOUNTS_POSITION, above.root, neurons.root
    )


def prove_neuron(conn: Connection, uid: int) -> Proof:
    """Prove all of a neuron: who, stakes, scores, and hashes of its weights and its bonds."""
    repository.freeze(conn)
    neuron = next(ledger_repository.load_neurons(conn, uid), None)
    if neuron is None:
        raise NoSuchNeuron(f"there is no neuron {uid}")
    weights, bonds = (
        next((row for _, row in ledger_repository.load_rows(conn, table, uid)), ())
        for table in ("weights", "bonds")
    )
    accounts = MerkleTree(proof_repository.load_page_hashes(conn), levels_min=0)
    neurons = MerkleTree(proof_repository.load_neuron_hashes(conn))
    leaf = encode_neuron(neuron, weights, bonds)
    return _join(conn, leaf, neurons.path(uid), NEURONS_POSITION, accounts.root, neurons.root)


def _join(
    conn: Connection,
    leaf: bytes,
    path: Sequence[Siblings],
    position: int,
    accounts_root: bytes,
    neurons_root: bytes,
) -> Proof:
    """Lead a path on from its tree's root to the state root, and put the signed header beside."""
    head = ledger_repository.load_header(conn)
    counters = ledger_repository.load_counters(conn).before_own_hash()
    path = [*path, top_of_path(position, accounts_root, neurons_root, counters)]
    header: dict[str, Any] = {
        "block_hash": head.block_hash,
        "signature": head.signature,
        **head.sealed_fields(),
    }
    levels = [
        PathLevel(position=level.position, siblings=[digest.hex() for digest in level.hashes])
        for level in path
    ]
    return Proof(leaf=json.loads(leaf), path=levels, header=Header.model_validate(header))
