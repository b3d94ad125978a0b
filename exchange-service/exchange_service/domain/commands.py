"""What the exchange can be told. A command carries its own time and ids, so that a journal of
commands, applied again, gives the same state and the same events on any machine."""

from enum import StrEnum
from typing import NamedTuple


class Asset(StrEnum):
    TAO = "TAO"
    """Counted in rao, 10⁹ to the TAO."""
    BTC = "BTC"
    """Counted in satoshi, 10⁸ to the BTC."""


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"


class Kind(StrEnum):
    LIMIT = "LIMIT"
    """Trade at the price or better; what is left follows its time in force."""
    LIMIT_MAKER = "LIMIT_MAKER"
    """Rest in the book, or be refused: never take."""
    MARKET = "MARKET"
    """Take what the book offers, at any price; never rest."""


class TimeInForce(StrEnum):
    GTC = "GTC"
    """Good till cancelled: what is left rests in the book."""
    IOC = "IOC"
    """Immediate or cancel: what is left expires."""
    FOK = "FOK"
    """Fill or kill: all at once, or nothing."""


class SelfTrade(StrEnum):
    """What happens when an order would meet one of the same account. The taker's choice rules."""

    NONE = "NONE"
    """They trade."""
    EXPIRE_TAKER = "EXPIRE_TAKER"
    """What is left of the arriving order expires."""
    EXPIRE_MAKER = "EXPIRE_MAKER"
    """The resting order expires and the arriving one goes on."""
    EXPIRE_BOTH = "EXPIRE_BOTH"
    """Both expire."""


class OpenAccount(NamedTuple):
    time_ms: int
    account_id: int
    name: str
    maker_ppm: int
    taker_ppm: int
    faucet_sat: int
    """Test BTC given at the opening, from the account `btc-faucet`."""


class PlaceOrder(NamedTuple):
    time_ms: int
    order_id: int
    account_id: int
    side: Side
    kind: Kind
    price_sat: int
    """Satoshi per TAO; 0 for a market order."""
    quantity_rao: int
    """0 for a market order by quote."""
    quote_sat: int
    """A market order by quote: at most this is spent (fee included) or asked for; else 0."""
    time_in_force: TimeInForce
    self_trade: SelfTrade
    client_order_id: str
    """The account's own name of the order, unique among its open orders."""


class CancelOrder(NamedTuple):
    time_ms: int
    account_id: int
    order_id: int
    """0: the order is named by its client order id alone."""
    client_order_id: str


class CancelAllOrders(NamedTuple):
    time_ms: int
    account_id: int


class AmendOrder(NamedTuple):
    """Make an order smaller and keep its place in the queue."""

    time_ms: int
    account_id: int
    order_id: int
    quantity_rao: int
    """The new total quantity: more than is executed, less than it was."""


class CreditDeposit(NamedTuple):
    """Credit coins that arrived in one of the exchange's wallets."""

    time_ms: int
    account_id: int
    asset: Asset
    amount: int
    height: int
    event_index: int
    """The event's place in its block. (height, event index) only grows: nothing counts twice."""
    address: str
    transaction_id: str
    """The extrinsic's hash, for people to look up."""


class RequestWithdrawal(NamedTuple):
    time_ms: int
    withdrawal_id: int
    account_id: int
    asset: Asset
    amount: int
    """Taken from the account; the receiver gets amount − fee."""
    fee: int
    address: str
    client_withdrawal_id: str
    """Unique in the account; empty: none."""


class SettleWithdrawal(NamedTuple):
    """The payment is in a block."""

    time_ms: int
    withdrawal_id: int


class FailWithdrawal(NamedTuple):
    """The payment can never be in a block: the coins go back to the account."""

    time_ms: int
    withdrawal_id: int


class RecordNetworkFee(NamedTuple):
    """The chain charged the exchange's wallets for what they sent in a block."""

    time_ms: int
    asset: Asset
    amount: int
    height: int
    event_index: int
    """Past all events of the block, so that deposit and fee share one mark."""


Command = (
    OpenAccount
    | PlaceOrder
    | CancelOrder
    | CancelAllOrders
    | AmendOrder
    | CreditDeposit
    | RequestWithdrawal
    | SettleWithdrawal
    | FailWithdrawal
    | RecordNetworkFee
)
