"""The ledger as one would write it on a napkin: dictionaries of rao, and nothing clever."""

from collections import defaultdict
from typing import Any

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
        self.pot = 0
        self.registered_now = 0

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

    def charge(self, signer: str, call: str) -> bool:
        fee = FEE if call.startswith("transfer") else 0
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
        del self.owner[hotkey]
        self.take.pop(hotkey, None)

    def _can_stake(self, signer: str, amount: int) -> bool:
        return amount > 0 and self.free[signer] - DEPOSIT >= amount

    def _can_take(self, signer: str, hotkey: str, amount: int) -> bool:
        staked = self.stake[hotkey].get(signer, 0)
        return 0 < amount <= staked and self.free[signer] + amount >= DEPOSIT
