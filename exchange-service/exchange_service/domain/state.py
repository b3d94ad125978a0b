"""Where the exchange stands: accounts, book, waiting orders, and the last of every number."""

from exchange_service.domain.accounts import Account
from exchange_service.domain.book import Order, OrderBook, Pair
from exchange_service.domain.custody import Custody
from exchange_service.domain.triggers import Triggers


class State:
    """Everything that commands change. There is nothing of the exchange that is not in here."""

    def __init__(self) -> None:
        self.custody = Custody()
        self.accounts = self.custody.accounts
        self.book = OrderBook()
        self.triggers = Triggers()
        self.orders: dict[int, Order] = {}
        """Open orders by id: those in the book, and those that wait for a trigger."""
        self.pairs: dict[int, Pair] = {}
        """Open pairs by list id."""
        self.enforcing = True
        """Whether limits are asked that came after the first journals. A replay asks none of them:
        what was accepted once stays accepted (decisions/0068). No part of the state."""
        self.deadlines: dict[int, int] = {}
        """By account: when its orders will be cancelled, in milliseconds."""
        self.last_price_sat = 0
        self.last_trade_id = 0
        self.last_order_id = 0
        self.last_list_id = 0
        self.last_prevented_id = 0

    def open(self, order: Order) -> None:
        """Remember an order that stays."""
        account = order.account
        self.orders[order.key] = order
        account.orders[order.terms.client_order_id] = order
        if order.buying:
            account.bid_rao += order.quantity_rao

    def close(self, order: Order) -> None:
        """Forget an order, wherever it was."""
        account = order.account
        del self.orders[order.key]
        del account.orders[order.terms.client_order_id]
        if order.buying:
            account.bid_rao -= order.quantity_rao
        if order.level is None:
            self.triggers.remove(order)
            account.waiting -= 1
            return
        book = self.book
        (book.bids if order.buying else book.asks).remove(order)
        book.update_id += 1

    def lock(self, order: Order, amount: int) -> None:
        """Set what the order has locked, against what its account has free."""
        account, more = order.account, amount - order.reserved
        order.reserved = amount
        if order.buying:
            account.free_sat -= more
            account.locked_sat += more
        else:
            account.free_rao -= more
            account.locked_rao += more

    def release(self, order: Order) -> int:
        """Give back what is locked for an order, and return how much it was."""
        released = order.reserved
        self.lock(order, 0)
        return released


def free_of(account: Account, buying: bool) -> int:
    """Return what an account can spend on a buy (satoshi) or a sale (rao)."""
    return account.free_sat if buying else account.free_rao
