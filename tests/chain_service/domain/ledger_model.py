"""The ledger as one would write it on a napkin: dictionaries of rao, and nothing clever."""

from collections import defaultdict
from copy import deepcopy
from typing import Any

from chain_service.domain.weights import hash_weights

DEPOSIT = 500
FEE = 1000
BURN = 10_000
SLOTS = 4
TAKE_MAX = 11_796
PER_BLOCK = 2


class LedgerModel:
    def __init__(self) -> None:
        self.free: dict[str, int] = defaultdict(int)
        self.stake: dict[str, dict[str, int]] = {}
        """hotkey → coldkey → rao, of those registered."""
        self.owner: dict[str, str] = {}
        self.take: dict[str, int] = {}
        self.hotkeys: list[str] = []
        """By uid."""
        self.axon: dict[str, tuple[str, int]] = {}
        self.weights: dict[str, dict[int, int]] = {}
        self.promise: dict[str, tuple[str, int]] = {}
        """hotkey → hash of promised weights, and the block it was made in."""
        self.pot = 0
        self.registered_now = 0
        self.worked: set[tuple[int, str]] = set()
        """Block and seal of each registration by work."""
        self.height = 0
        self.last_step = 0

    def total(self) -> int:
        staked = sum(sum(stakes.values()) for stakes in self.stake.values())
        return sum(self.free.values()) + staked + self.pot

    def pay(self, uid: int, amount: int) -> None:
        hotkey = self.hotkeys[uid]
        stakes, owner = self.stake[hotkey], self.owner[hotkey]
        total, before = sum(stakes.values()), dict(stakes)
        if hotkey in self.take and total:
            rest = amount - amount * self.take[hotkey] // 65535
            for coldkey, stake in before.items():
                part = rest * stake // total
                stakes[coldkey] += part
                amount -= part
        stakes[owner] = stakes.get(owner, 0) + amount
        self.pot -= sum(stakes.values()) - total

    def charge(self, signer: str, call: str, arguments: dict[str, Any]) -> bool:
        calls = [inner["call"] for inner in arguments["calls"]] if call == "batch" else [call]
        fee = FEE * sum(name.startswith("transfer") for name in calls)
        if self.free[signer] < fee:
            return False
        self.free[signer] -= fee
        self.pot += fee
        return True

    def call(self, signer: str, call: str, a: dict[str, Any]) -> bool:
        """Carry out a call; say whether the chain should have done so too."""
        possible: bool = getattr(self, f"{call}_is_possible")(signer, **a)
        if possible:
            getattr(self, call)(signer, **a)
        return possible

    def batch_is_possible(self, signer: str, calls: list[dict[str, Any]]) -> bool:
        """Try it on a copy: all of it works, or none of it."""
        copy = deepcopy(self)
        return all(copy.call(signer, call["call"], call["arguments"]) for call in calls)

    def batch(self, signer: str, calls: list[dict[str, Any]]) -> None:
        for call in calls:
            self.call(signer, call["call"], call["arguments"])

    def serve_axon_is_possible(self, signer: str, ip: str, port: int, name: str) -> bool:
        return signer in self.owner and not ip.startswith("0.")

    def serve_axon(self, signer: str, ip: str, port: int, name: str) -> None:
        self.axon[signer] = (ip, port)

    def set_weights_is_possible(
        self, signer: str, uids: list[int], values: list[int], version_key: int
    ) -> bool:
        return signer in self.owner and max(uids) < len(self.hotkeys)

    def set_weights(
        self, signer: str, uids: list[int], values: list[int], version_key: int
    ) -> None:
        total = sum(values)
        shares = {uid: v * (2**32 - 1) // total for uid, v in zip(uids, values, strict=True)}
        self.weights[signer] = {uid: share for uid, share in shares.items() if share}

    def commit_weights_is_possible(self, signer: str, commit_hash: str) -> bool:
        return signer in self.owner

    def commit_weights(self, signer: str, commit_hash: str) -> None:
        self.promise[signer] = (commit_hash, self.height)

    def reveal_weights_is_possible(
        self, signer: str, uids: list[int], values: list[int], salt: str, version_key: int
    ) -> bool:
        promised, block = self.promise.get(signer, ("", 0))
        kept = promised == hash_weights(signer, uids, values, salt, version_key)
        known = self.set_weights_is_possible(signer, uids, values, version_key)
        return kept and block < self.last_step and known

    def reveal_weights(
        self, signer: str, uids: list[int], values: list[int], salt: str, version_key: int
    ) -> None:
        del self.promise[signer]
        self.set_weights(signer, uids, values, version_key)

    def swap_hotkey_is_possible(self, signer: str, hotkey: str, new_hotkey: str) -> bool:
        return self.owner.get(hotkey) == signer and new_hotkey not in self.owner

    def swap_hotkey(self, signer: str, hotkey: str, new_hotkey: str) -> None:
        self.hotkeys[self.hotkeys.index(hotkey)] = new_hotkey
        for table in self.by_hotkey():
            if hotkey in table:
                table[new_hotkey] = table.pop(hotkey)

    def by_hotkey(self) -> list[dict[str, Any]]:
        return [self.owner, self.stake, self.take, self.axon, self.weights, self.promise]

    def transfer_is_possible(self, signer: str, receiver: str, amount_rao: int) -> bool:
        return (
            receiver != signer
            and amount_rao > 0
            and self.free[receiver] + amount_rao >= DEPOSIT
            and self.free[signer] - amount_rao >= DEPOSIT
        )

    def transfer(self, signer: str, receiver: str, amount_rao: int) -> None:
        self.free[signer] -= amount_rao
        self.free[receiver] += amount_rao

    def transfer_all_is_possible(self, signer: str, receiver: str) -> bool:
        amount = self.free[signer]
        return receiver != signer and amount > 0 and self.free[receiver] + amount >= DEPOSIT

    def transfer_all(self, signer: str, receiver: str) -> None:
        self.transfer(signer, receiver, self.free[signer])

    def add_stake_is_possible(self, signer: str, hotkey: str, amount_rao: int) -> bool:
        return self.owner.get(hotkey) == signer and self._can_stake(signer, amount_rao)

    def add_stake(self, signer: str, hotkey: str, amount_rao: int) -> None:
        self.free[signer] -= amount_rao
        self.stake[hotkey][signer] = self.stake[hotkey].get(signer, 0) + amount_rao

    def remove_stake_is_possible(self, signer: str, hotkey: str, amount_rao: int) -> bool:
        return self.owner.get(hotkey) == signer and self._can_take(signer, hotkey, amount_rao)

    def remove_stake(self, signer: str, hotkey: str, amount_rao: int) -> None:
        self.stake[hotkey][signer] -= amount_rao
        self.free[signer] += amount_rao

    def nominate_is_possible(self, signer: str, hotkey: str, amount_rao: int) -> bool:
        return hotkey in self.take and self._can_stake(signer, amount_rao)

    nominate = add_stake

    def un_nominate_is_possible(self, signer: str, hotkey: str, amount_rao: int) -> bool:
        return hotkey in self.owner and self._can_take(signer, hotkey, amount_rao)

    un_nominate = remove_stake

    def become_delegate_is_possible(self, signer: str, hotkey: str, take: int) -> bool:
        free_to = self.owner.get(hotkey) == signer and hotkey not in self.take
        return free_to and take <= TAKE_MAX

    def become_delegate(self, signer: str, hotkey: str, take: int) -> None:
        self.take[hotkey] = take

    def burned_register_is_possible(self, signer: str, hotkey: str) -> bool:
        room = hotkey not in self.owner and self.registered_now < PER_BLOCK
        return room and self.free[signer] - BURN >= DEPOSIT

    def burned_register(self, signer: str, hotkey: str) -> None:
        self.free[signer] -= BURN
        self.pot += BURN
        self.registered_now += 1

    def enter(self, uid: int, hotkey: str, coldkey: str) -> None:
        if uid == len(self.hotkeys):
            self.hotkeys.append(hotkey)
        self.hotkeys[uid] = hotkey
        self.owner[hotkey], self.stake[hotkey] = coldkey, {}

    def leave(self, uid: int) -> None:
        hotkey = self.hotkeys[uid]
        for coldkey, amount in self.stake.pop(hotkey).items():
            self.free[coldkey] += amount
        for table in self.by_hotkey():
            table.pop(hotkey, None)

    def _can_stake(self, signer: str, amount: int) -> bool:
        return amount > 0 and self.free[signer] - DEPOSIT >= amount

    def _can_take(self, signer: str, hotkey: str, amount: int) -> bool:
        staked = self.stake[hotkey].get(signer, 0)
        return 0 < amount <= staked and self.free[signer] + amount >= DEPOSIT
