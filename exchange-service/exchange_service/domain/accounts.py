"""Who owns what: every account has four pockets, BTC and TAO, free and locked."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from exchange_service.domain.commands import Asset
from exchange_service.domain.symbol import OPEN_ORDERS_MAX

if TYPE_CHECKING:
    from exchange_service.domain.book import Order

# The house's own accounts. Those of the wallets are the counter-side of all deposits: they stand
# at minus what the exchange holds, so that the sum over all accounts is zero, asset by asset.
FEES: Final = 1
"""Income: trading fees in BTC, withdrawal fees in the asset withdrawn."""
BTC_FAUCET: Final = 2
"""Where test BTC comes from."""
TAO_WALLET: Final = 3
"""Minus the TAO that the exchange holds on chain."""
NETWORK_FEES: Final = 4
"""Expense: what the chains charged the exchange; below zero."""
BTC_WALLET: Final = 5
"""Minus the BTC that the exchange holds on chain."""
HOUSE_ACCOUNTS: Final = {
    FEES: "fees",
    BTC_FAUCET: "btc-faucet",
    TAO_WALLET: "tao-wallet",
    NETWORK_FEES: "network-fees",
    BTC_WALLET: "btc-wallet",
}
WALLETS: Final = {Asset.TAO: TAO_WALLET, Asset.BTC: BTC_WALLET}
FIRST_ACCOUNT: Final = 1_000


@dataclass(slots=True, eq=False)
class Account:
    account_id: int
    name: str
    maker_ppm: int
    taker_ppm: int
    free_sat: int = 0
    locked_sat: int = 0
    free_rao: int = 0
    locked_rao: int = 0
    orders: "dict[str, Order]" = field(default_factory=dict)
    """Open orders by client order id."""
    open_orders_max: int = OPEN_ORDERS_MAX
    waiting: int = 0
    """How many of its open orders wait for a trigger."""
    bid_rao: int = 0
    """What its open orders to buy are for, each in full, also where it is partly executed."""
    pairs: int = 0
    """How many of its order lists are open."""
    withdrawal_names: set[str] = field(default_factory=set)
    """Every client withdrawal id ever used."""

    def add_free(self, asset: Asset, amount: int) -> None:
        """Change what is free, up or down."""
        if asset is Asset.BTC:
            self.free_sat += amount
        else:
            self.free_rao += amount

    def add_locked(self, asset: Asset, amount: int) -> None:
        """Change what is locked, up or down."""
        if asset is Asset.BTC:
            self.locked_sat += amount
        else:
            self.locked_rao += amount

    def free(self, asset: Asset) -> int:
        return self.free_sat if asset is Asset.BTC else self.free_rao

    def balances(self) -> tuple[int, int, int, int]:
        """Return free and locked satoshi, free and locked rao."""
        return self.free_sat, self.locked_sat, self.free_rao, self.locked_rao
