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
    """Take what the book offers, at any price inside the collar; never rest."""
    STOP_LOSS = "STOP_LOSS"
    """A market order once the last price is as bad as the stop price: a sale at or below it, a
    buy at or above it."""
    STOP_LOSS_LIMIT = "STOP_LOSS_LIMIT"
    """The same, but a limit order once triggered."""
    TAKE_PROFIT = "TAKE_PROFIT"
    """A market order once the last price is as good as the stop price: a sale at or above it, a
    buy at or below it."""
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT_LIMIT"
    """The same, but a limit order once triggered."""


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
    DECREMENT = "DECREMENT"
    """Both shrink by the quantity that would have traded; the smaller, or both, expire."""
    TRANSFER = "TRANSFER"
    """Between orders of one account, which is all there is here, the same as DECREMENT."""


class Restriction(StrEnum):
    """Which state an order must be in for a cancellation to take it."""

    NONE = "NONE"
    ONLY_NEW = "ONLY_NEW"
    ONLY_PARTIALLY_FILLED = "ONLY_PARTIALLY_FILLED"


class ReplaceMode(StrEnum):
    """Whether the new order of a cancel-replace is tried when there was nothing to cancel."""

    STOP_ON_FAILURE = "STOP_ON_FAILURE"
    ALLOW_FAILURE = "ALLOW_FAILURE"


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
    """Satoshi per TAO; 0 for MARKET, STOP_LOSS and TAKE_PROFIT."""
    quantity_rao: int
    """0 for a market order by quote."""
    quote_sat: int
    """A market order by quote: at most this is spent (fee included) or asked for; else 0."""
    time_in_force: TimeInForce
    self_trade: SelfTrade
    client_order_id: str
    """The account's own name of the order, unique among its open orders."""
    stop_price_sat: int = 0
    """The last price at which a stop order is triggered; 0 for all others."""
    iceberg_rao: int = 0
    """How much of the order the book shows at a time; 0: all of it."""
    list_id: int = 0
    """The order list it is a leg of; 0: none."""


class PlaceOrderPair(NamedTuple):
    """One cancels the other (OCO): two orders of one side and quantity, of which one may trade.

    The leg above has the higher price. Once one trades or is triggered, the other expires; when
    one is cancelled, so is the other.
    """

    time_ms: int
    list_id: int
    account_id: int
    client_list_id: str
    """Unique among the account's open lists."""
    above: PlaceOrder
    below: PlaceOrder


class CancelOrder(NamedTuple):
    """Cancel an order, and with a leg of a pair the other leg."""

    time_ms: int
    account_id: int
    order_id: int
    """0: the order is named by its client order id alone."""
    client_order_id: str
    restriction: Restriction = Restriction.NONE
    cancel_id: str = ""
    """The account's own name of the cancellation; empty: none."""


class CancelOrderPair(NamedTuple):
    time_ms: int
    account_id: int
    list_id: int
    """0: the list is named by its client list id alone."""
    client_list_id: str
    cancel_id: str = ""
    """As in CancelOrder."""


class CancelAllOrders(NamedTuple):
    time_ms: int
    account_id: int


class ReplaceOrder(NamedTuple):
    """Cancel an order and place another, in one step that nobody can come between."""

    time_ms: int
    account_id: int
    order_id: int
    """As in CancelOrder."""
    client_order_id: str
    restriction: Restriction
    mode: ReplaceMode
    order: PlaceOrder
    cancel_id: str = ""
    """As in CancelOrder."""


class AmendOrder(NamedTuple):
    """Make an order smaller and keep its place in the queue."""

    time_ms: int
    account_id: int
    order_id: int
    """As in CancelOrder."""
    quantity_rao: int
    """The new total quantity: more than is executed or prevented, less than it was."""
    client_order_id: str = ""
    new_client_order_id: str = ""
    """What the order is called from now on; empty, or its name: as before."""


class SetDeadline(NamedTuple):
    """The dead man's switch: unless renewed in time, cancel all orders of the account, once."""

    time_ms: int
    account_id: int
    after_ms: int
    """From the command's time on; 0 switches it off."""


class PassDeadlines(NamedTuple):
    """Tell the engine what time it is, so that the deadlines before it pass."""

    time_ms: int


class SetFeeRates(NamedTuple):
    """What an account's orders pay from now on; those in the book keep the rates they had."""

    time_ms: int
    account_id: int
    maker_ppm: int
    taker_ppm: int


class CreditDeposit(NamedTuple):
    """Credit coins that arrived in one of the exchange's wallets."""

    time_ms: int
    account_id: int
    asset: Asset
    amount: int
    height: int
    event_index: int
    """TAO: the event's place in its block; (height, event index) only grows, so that nothing
    counts twice. BTC: the output's number; each (transaction, output) counts once."""
    address: str
    transaction_id: str
    """The extrinsic's hash, or the Bitcoin transaction's."""


class ReverseDeposit(NamedTuple):
    """A credited deposit of BTC is in no block any longer: take it back, as far as it is there."""

    time_ms: int
    account_id: int
    amount: int
    event_index: int
    transaction_id: str
    """With the output's number before: what was credited, and may be again."""


class MakeUpShortfall(NamedTuple):
    """Take what an account owes since a reversal, as far as it is there by now."""

    time_ms: int
    account_id: int


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
    must_remain_sat: int = 0
    """BTC that the account must have free afterwards: deposits credited, and not yet unlocked."""


class SettleWithdrawal(NamedTuple):
    """The payment is in a block."""

    time_ms: int
    withdrawal_id: int
    network_fee: int = 0
    """What the chain charged for it, where that is known per payment."""


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
    | SetFeeRates
    | PlaceOrder
    | PlaceOrderPair
    | CancelOrder
    | CancelOrderPair
    | CancelAllOrders
    | ReplaceOrder
    | AmendOrder
    | SetDeadline
    | PassDeadlines
    | CreditDeposit
    | ReverseDeposit
    | MakeUpShortfall
    | RequestWithdrawal
    | SettleWithdrawal
    | FailWithdrawal
    | RecordNetworkFee
)
