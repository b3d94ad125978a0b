"""A chain that begins with so many accounts that hold money, for benches: no chain starts so."""

import time
from dataclasses import replace
from typing import Any

import psycopg
from tests.chain_service.conftest import RunningChain
from tqdm import tqdm

from chain_service import ledger_repository
from chain_service.author import ensure_genesis, sign_block
from chain_service.domain.blocks import AppliedBlock, begin_block, check_supply, seal
from chain_service.domain.parameters import RAO_PER_TAO, choose_parameters
from chain_service.domain.state import State
from chain_service.domain.values import Account
from taonet.kit.keys import Keypair, load_hotkey


def sender(index: int) -> Keypair:
    return Keypair.create_from_uri(f"//sender{index}")


def stranger(index: int) -> str:
    """Return the address of a key that nobody has: the number itself."""
    address = Keypair(public_key=index.to_bytes(32, "big").hex(), ss58_format=42).ss58_address
    assert address is not None
    return address


def seed_chain(chain: RunningChain, senders: list[str], strangers: list[str]) -> dict[str, Any]:
    """Write a genesis, and a block 1 that gives its whole reward away; return the parameters."""
    addresses = [*senders, *strangers]
    changed = {"block_reward_rao": len(addresses) * RAO_PER_TAO, "blocks_per_step": 1_000_000}
    keypair = load_hotkey(str(chain.wallets), "default", "default")
    parameters = replace(choose_parameters("box", changed), author=keypair.ss58_address)
    with psycopg.connect(chain.database_url, autocommit=True) as conn:
        ledger_repository.try_to_lead(conn, silence_seconds=10)
        ensure_genesis(conn, parameters, keypair)
        head = ledger_repository.load_header(conn)
        state = State()
        state.absorb(ledger_repository.load_state(conn))
        layer = state.branch()
        begin_block(layer, parameters)
        for address in tqdm(addresses, desc="seeding", unit=" accounts", unit_scale=True):
            layer.accounts[address] = Account(RAO_PER_TAO, 0)
        layer.counters = replace(layer.counters, pot_rao=0)
        header = seal(state, layer, head, time.time_ns() // 1_000_000, [], [], parameters.author)
        issuance_rao = check_supply(state, layer, parameters)
        block = sign_block(AppliedBlock(header, (), (), (), layer, issuance_rao), keypair)
        with conn.transaction():
            conn.execute("SET LOCAL statement_timeout = 0")
            ledger_repository.save_block(conn, block, 0)
        conn.execute("ANALYZE account")
    return changed
