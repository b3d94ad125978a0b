"""What the exchange reads from its environment."""

from pathlib import Path

from exchange_service.domain.commands import Asset
from exchange_service.domain.payout import PayoutRules
from exchange_service.limits import Budget, make_budget
from taonet.kit.settings import ChainAccess, LogSettings, Settings, StoreSettings, WalletSettings

WALLET_SEED_FILE = "exchange-wallet-seed"
API_SECRET_FILE = "exchange-api-secret"  # noqa: S105
MAKER_KEY_FILE = "market-maker-keys.json"


class PayoutSettings(StoreSettings, WalletSettings):
    """What the exchange and its signer both hold withdrawals to."""

    exchange_signer_token: str = ""
    """What the exchange shows its signer; the signer answers nobody without it."""
    exchange_withdrawal_review_rao: int = 100 * 10**9
    """A withdrawal of more TAO than this is held for a while, and can be taken back."""
    exchange_withdrawal_review_sat: int = 50_000_000
    """A withdrawal of more BTC than this is held for a while, and can be taken back."""
    exchange_withdrawal_delay_seconds: int = 60
    """How long large withdrawals are held, and changes of an allow-list take; live: a day."""
    exchange_withdrawal_daily_rao: int = 10_000 * 10**9
    """TAO that one account may withdraw in 24 hours."""
    exchange_withdrawal_daily_sat: int = 100 * 10**8
    """BTC that one account may withdraw in 24 hours."""
    exchange_signer_daily_rao: int = 100_000 * 10**9
    """TAO that the signer signs away in 24 hours, for all accounts."""
    exchange_signer_daily_sat: int = 1_000 * 10**8
    """BTC that the signer signs away in 24 hours, for all accounts."""

    def payout_rules(self) -> PayoutRules:
        return PayoutRules(
            _by_asset(self.exchange_withdrawal_review_rao, self.exchange_withdrawal_review_sat),
            self.exchange_withdrawal_delay_seconds * 1_000,
            _by_asset(self.exchange_withdrawal_daily_rao, self.exchange_withdrawal_daily_sat),
            _by_asset(self.exchange_signer_daily_rao, self.exchange_signer_daily_sat),
        )


class SignerSettings(PayoutSettings):
    """Settings of the signer, which alone holds the wallet's keys."""

    exchange_wallet_seed_file: str = ""
    """File with the wallet's encrypted seed, made at the first start; empty: in the wallet."""
    exchange_wallet_passphrase: str
    """What the seed is encrypted under: at least 12 letters."""

    def wallet_seed_path(self) -> Path:
        given = self.exchange_wallet_seed_file
        return Path(given).expanduser() if given else _in_wallet(self, WALLET_SEED_FILE)


class BitcoinAccess(Settings):
    bitcoin_url: str = ""
    """A Bitcoin node's JSON-RPC on regtest, user and password in it; empty: BTC has no chain."""
    bitcoin_cookie_file: str = ""
    """A node's .cookie file, instead of user and password in the address."""
    bitcoin_faucet_wallet: str = "faucet"
    """The node's own wallet that gives test coins; empty: none are given."""


class ExchangeSettings(PayoutSettings, ChainAccess, BitcoinAccess):
    """Settings of the exchange itself."""

    exchange_signer_url: str = "http://127.0.0.1:8071"
    """Where the signer answers."""
    exchange_api_secret_file: str = ""
    """File with what the secrets of API keys are derived from; empty: in the wallet."""
    exchange_operator_token: str = ""
    """What an operator shows to close and open the market; empty: nobody can."""
    exchange_maker_fee_ppm: int = 1_000
    """Fee of a resting order, in millionths of the quote, for accounts opened from now on."""
    exchange_taker_fee_ppm: int = 1_000
    """Fee of an order that takes, in millionths of the quote, for accounts opened from now on."""
    exchange_deposit_confirmations: int = 2
    """Blocks, its own included, before a deposit of TAO is credited."""
    exchange_withdrawal_fee_rao: int = 1_000_000
    """What a withdrawal of TAO costs, whatever its amount."""
    exchange_bitcoin_confirmations: int = 2
    """Blocks, its own included, before a deposit of BTC is credited; live: 6."""
    exchange_bitcoin_unlock_confirmations: int = 3
    """Blocks until a credited deposit of BTC may be withdrawn, or spent by us; live: 12."""
    exchange_withdrawal_fee_sat: int = 5_000
    """What a withdrawal of BTC costs, whatever its amount; the chain's fee is paid out of it."""
    exchange_trusted_proxies: str = ""
    """Proxies (addresses, networks, names; commas) that say whose request it is; empty: none."""
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

    def api_secret_path(self) -> Path:
        given = self.exchange_api_secret_file
        return Path(given).expanduser() if given else _in_wallet(self, API_SECRET_FILE)


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


def _by_asset(amount_rao: int, amount_sat: int) -> dict[Asset, int]:
    return {Asset.TAO: amount_rao, Asset.BTC: amount_sat}
