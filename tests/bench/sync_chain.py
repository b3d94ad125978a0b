"""A chain for the benchmarks, made in memory: every extrinsic signed, every block sealed."""

import itertools
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import orjson
from tqdm import tqdm

from chain_service.author import sign_block
from chain_service.domain.blocks import AppliedBlock, apply_block, make_genesis
from chain_service.domain.headers import Header
from chain_service.domain.parameters import BOX
from chain_service.domain.state import State
from chain_service.domain.work import search_seal
from chain_service.orders import SignedOrder, verify_order
from chain_service.signing import sign_extrinsic
from taonet.kit.keys import Keypair

AUTHOR = Keypair.create_from_uri("//author")
PARAMETERS = replace(
    BOX,
    author=AUTHOR.ss58_address,
    blocks_per_step=10,
    starting_difficulty=1,
    minimum_difficulty=1,
    max_weight_limit_u32=2**32 - 1,
    weights_rate_limit_blocks=0,
    block_reward_rao=10**12,
)
FUNDS_RAO = 10**9
LAST_BLOCK = 10**6


class SealedChain:
    """Blocks as lines, and the state after them."""

    def __init__(self) -> None:
        genesis = sign_block(make_genesis(PARAMETERS, 0), AUTHOR)
        self.lines: list[bytes] = []
        self.state = State()
        self.nonces: dict[str, int] = {}
        self._keep(genesis, [])
        self.genesis_hash = self.head.block_hash

    def sign(self, key: Keypair, call: str, **arguments: Any) -> SignedOrder:
        nonce = self.nonces.get(key.ss58_address, 0)
        self.nonces[key.ss58_address] = nonce + 1
        return verify_order(
            sign_extrinsic(key, self.genesis_hash, nonce, LAST_BLOCK, call, arguments)
        )

    def seal(self, signed: Sequence[SignedOrder] = ()) -> None:
        orders = [entry.order for entry in signed]
        block = apply_block(self.state, self.head, self.head.time_ms + 2000, orders, PARAMETERS)
        assert not [outcome for outcome in block.outcomes if outcome.error]
        self._keep(sign_block(block, AUTHOR), signed)

    def register(self, hotkey: Keypair, coldkey: Keypair) -> None:
        assert hotkey.public_key is not None
        found = search_seal(bytes.fromhex(self.head.block_hash), hotkey.public_key, 1, 0, 10)
        assert found is not None
        work = {"block_number": self.head.height, "nonce": found[0], "seal": found[1].hex()}
        self.seal([self.sign(hotkey, "register", **work, coldkey=coldkey.ss58_address)])

    def _keep(self, block: AppliedBlock, signed: Sequence[SignedOrder]) -> None:
        self.state.absorb(block.layer)
        self.head: Header = block.header
        told: dict[str, Any] = {"header": asdict(block.header)}
        if block.header.height == 0:
            told["parameters"] = PARAMETERS.as_json()
        head = orjson.dumps(told)[:-1].decode()
        bodies = ",".join(entry.body for entry in signed)
        self.lines.append(f'{head},"extrinsics":[{bodies}]}}\n'.encode())


def make_chain(accounts: int, blocks: int, transfers: int) -> SealedChain:
    """Return a chain that mines, funds accounts, and then fills blocks with transfers."""
    chain = SealedChain()
    owner, server, validator = (Keypair.create_from_uri(f"//{n}") for n in ("o", "s", "v"))
    for hotkey in (server, validator):
        chain.register(hotkey, owner)
    chain.seal([chain.sign(validator, "set_weights", uids=[0], values=[1])])
    while chain.head.height % PARAMETERS.blocks_per_step or chain.head.height < 40:
        chain.seal()
    stake = max(chain.state.neuron(uid).stake_rao for uid in (0, 1))
    hotkey = server if stake == chain.state.neuron(0).stake_rao else validator
    chain.seal(
        [chain.sign(owner, "remove_stake", hotkey=hotkey.ss58_address, amount_rao=str(stake // 2))]
    )
    keys = [Keypair.create_from_uri(f"//account{n}") for n in range(accounts)]
    for at in range(0, accounts, 1000):
        funded = [
            chain.sign(owner, "transfer", receiver=key.ss58_address, amount_rao=str(FUNDS_RAO))
            for key in keys[at : at + 1000]
        ]
        chain.seal(funded)
    pairs = itertools.cycle(zip(keys, keys[7:] + keys[:7], strict=True))
    for _ in tqdm(range(blocks), desc="signing transfers", unit="block"):
        chain.seal(
            [
                chain.sign(sender, "transfer", receiver=receiver.ss58_address, amount_rao="1000")
                for sender, receiver in itertools.islice(pairs, transfers)
            ]
        )
    return chain


def make_empty_chain(blocks: int) -> SealedChain:
    """Return a chain of two neurons that pay each other, and nothing else."""
    chain = make_chain(accounts=0, blocks=0, transfers=0)
    for _ in tqdm(range(blocks), desc="sealing empty blocks", unit="block"):
        chain.seal()
    return chain
