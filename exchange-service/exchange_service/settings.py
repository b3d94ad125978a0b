"""What the exchange reads from its environment."""

from pathlib import Path

from exchange_service.limits import Budget, make_budget
from taonet.kit.settings import ChainAccess, LogSettings, StoreSettings, WalletSettings

WALLET_SEED_FILE = "exchange-wallet-seed"
MAKER_KEY_FILE = "market-maker-keys.json"


class ExchangeSettings(StoreSettings, ChainAccess, WalletSettings):
    """Settings of the exchange itself."""

    exchange_wallet_seed_file: str = ""
    """File with the hot wallet's seed, mode 0600, made at the first start; empty: in the wallet."""
    exchange_maker_fee_ppm: int = 1_000
    """Fee of a resting order, in millionths of the quote, for accounts opened from now on."""
    exchange_taker_fee_ppm: int = 1_000
    """Fee of an order that takes, in millionths of the quote, for accounts opened from now on."""
    exchange_deposit_confirmations: int = 2
    """Blocks, its own included, before a deposit of TAO is credited."""
    exchange_withdrawal_fee_rao: int = 1_000_000
    """What a withdrawal of TAO costs, whatever its amount."""
    exchange_request_weight_per_minute: int = 6_000
    """Request weight that one address may use in a minute."""
    exchange_raw_requests_per_5_minutes: int = 300_000
    """Requests of any weight that one address may send in five minutes."""
    exchange_orders_per_10_seconds: int = 100
    """Unfilled new orders of one account in ten seconds."""
    exchange_orders_per_day: int = 200_000
    """Unfilled new orders of one account in a day."""

    def budget(self) -> Budget:
        return make_budget(
            self.exchange_request_weight_per_minute,
            self.exchange_raw_requests_per_5_minutes,
            self.exchange_orders_per_10_seconds,
            self.exchange_orders_per_day,
        )

    def wallet_seed_path(self) -> Path:
        given = self.exchange_wallet_seed_file
        return Path(given).expanduser() if given else _in_wallet(self, WALLET_SEED_FILE)


class MakerSettings(LogSettings, WalletSettings):
    """Settings of the market maker: simulated liquidity, so that a box's market lives."""

    exchange_url: str = "http://127.0.0.1:8070"
    """Where the exchange answers."""
    exchange_maker_key_file: str = ""
    """File with the maker's and the taker's API keys, mode 0600; empty: beside the wallet."""
    exchange_maker_seed: int = 1
    """Seed of the drifting fair price and of the simulated takers."""
    exchange_maker_start_price_sat: int = 500_000
    """Fair price of a TAO in satoshi before the first trade."""
    exchange_maker_interval_seconds: float = 2.0
    """Time between two looks at the market."""
    exchange_maker_flow: bool = True
    """Whether simulated takers trade, too."""

    def maker_key_path(self) -> Path:
        given = self.exchange_maker_key_file
        return Path(given).expanduser() if given else _in_wallet(self, MAKER_KEY_FILE)


def _in_wallet(settings: WalletSettings, name: str) -> Path:
    return Path(settings.wallet_path).expanduser() / settings.wallet_name / name
