"""The exchange as one value: accounts, order book, pending withdrawals. Commands in, facts out.

`Exchange.apply` is the only thing that changes it. There is no clock and no chance inside: the
same commands give the same facts and the same state, which is what recovery stands on.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from exchange_service.domain import ending, placing
from exchange_service.domain.commands import (
    AmendOrder,
    CancelAllOrders,
    CancelOrder,
    CancelOrderPair,
    Command,
    CreditDeposit,
    FailWithdrawal,
    MakeUpShortfall,
    OpenAccount,
    PassDeadlines,
    PlaceOrder,
    PlaceOrderPair,
    RecordNetworkFee,
    ReplaceOrder,
    RequestWithdrawal,
    ReverseDeposit,
    SetDeadline,
    SetFeeRates,
    SettleWithdrawal,
)
from exchange_service.domain.facts import Fact
from exchange_service.domain.state import State


class Exchange(State):
    """Books and balances in memory, for a single writer."""

    def __init__(self) -> None:
        super().__init__()
        custody = self.custody
        # Any: each handler takes its own command, which the key says and a type cannot.
        self._handlers: dict[type, Callable[[Any], list[Fact]]] = {
            OpenAccount: custody.open_account,
            SetFeeRates: custody.set_fee_rates,
            PlaceOrderPair: partial(placing.place_pair, self),
            CancelOrderPair: partial(ending.cancel_pair, self),
            CancelAllOrders: partial(ending.cancel_all_orders, self),
            ReplaceOrder: partial(ending.replace_order, self),
            AmendOrder: partial(ending.amend_order, self),
            SetDeadline: partial(ending.set_deadline, self),
            PassDeadlines: partial(ending.pass_deadlines, self),
            CreditDeposit: custody.credit_deposit,
            ReverseDeposit: custody.reverse_deposit,
            MakeUpShortfall: custody.make_up_shortfall,
            RequestWithdrawal: custody.request_withdrawal,
            SettleWithdrawal: custody.settle_withdrawal,
            FailWithdrawal: custody.fail_withdrawal,
            RecordNetworkFee: custody.record_network_fee,
        }

    def apply(self, command: Command) -> list[Fact]:
        """Do what the command says and return what happened; a rejection changes nothing."""
        # What nearly all commands are need not be looked up.
        if type(command) is PlaceOrder:
            return placing.place_order(self, command)
        if type(command) is CancelOrder:
            return ending.cancel_order(self, command)
        return self._handlers[type(command)](command)
