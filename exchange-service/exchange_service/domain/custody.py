"""Accounts and what enters and leaves them: openings, deposits, withdrawals, network fees."""

from exchange_service.domain.accounts import (
    BTC_FAUCET,
    BTC_WALLET,
    FEES,
    FIRST_ACCOUNT,
    HOUSE_ACCOUNTS,
    NETWORK_FEES,
    WALLETS,
    Account,
)
from exchange_service.domain.commands import (
    Asset,
    CreditDeposit,
    FailWithdrawal,
    MakeUpShortfall,
    OpenAccount,
    RecordNetworkFee,
    RequestWithdrawal,
    ReverseDeposit,
    SetFeeRates,
    SettleWithdrawal,
)
from exchange_service.domain.facts import (
    AccountOpened,
    DepositCredited,
    DepositReversed,
    Fact,
    FeeRatesSet,
    NetworkFeeRecorded,
    Rejected,
    ShortfallMadeUp,
    WithdrawalFailed,
    WithdrawalRequested,
    WithdrawalSettled,
)
from exchange_service.domain.refusals import (
    ACCOUNT_EXISTS,
    DEPOSIT_KNOWN,
    DEPOSIT_LOCKED,
    DEPOSIT_UNKNOWN,
    DUPLICATE_WITHDRAWAL,
    INSUFFICIENT_FUNDS,
    INVALID_FEE,
    NO_SHORTFALL,
    OWES_SHORTFALL,
    UNKNOWN_ACCOUNT,
    UNKNOWN_WITHDRAWAL,
    Reason,
)
from exchange_service.domain.symbol import PPM


class Custody:
    """The accounts, and the withdrawals on their way."""

    def __init__(self) -> None:
        self.accounts = {
            number: Account(number, name, 0, 0) for number, name in HOUSE_ACCOUNTS.items()
        }
        self.names = set(HOUSE_ACCOUNTS.values())
        self.withdrawals: dict[int, RequestWithdrawal] = {}
        """Withdrawals neither settled nor failed."""
        self.deposit_mark = (-1, -1)
        """TAO: height and event index of the last deposit credited, or network fee recorded."""
        self.credited_outputs: set[str] = set()
        """BTC: every output ever credited. Its block may be replaced, so its place says nothing."""
        self.shortfalls: dict[int, int] = {}
        """BTC: what accounts owe since a deposit was reversed that they had spent."""
        self.last_account_id = FIRST_ACCOUNT
        self.last_withdrawal_id = 0

    def open_account(self, command: OpenAccount) -> list[Fact]:
        if command.account_id in self.accounts or command.name in self.names:
            return [Rejected(ACCOUNT_EXISTS)]
        account = Account(command.account_id, command.name, command.maker_ppm, command.taker_ppm)
        self.accounts[command.account_id] = account
        self.names.add(command.name)
        self.last_account_id = max(self.last_account_id, command.account_id)
        self.accounts[BTC_FAUCET].free_sat -= command.faucet_sat
        account.free_sat += command.faucet_sat
        return [AccountOpened(*command)]

    def set_fee_rates(self, command: SetFeeRates) -> list[Fact]:
        account = self.accounts.get(command.account_id)
        if account is None or command.account_id < FIRST_ACCOUNT:
            return [Rejected(UNKNOWN_ACCOUNT)]
        if not 0 <= min(command[2:]) <= max(command[2:]) <= PPM:
            return [Rejected(INVALID_FEE)]
        account.maker_ppm, account.taker_ppm = command.maker_ppm, command.taker_ppm
        return [FeeRatesSet(*command)]

    def credit_deposit(self, command: CreditDeposit) -> list[Fact]:
        account = self.accounts.get(command.account_id)
        if account is None:
            return [Rejected(UNKNOWN_ACCOUNT)]
        if not self._claim(command):
            return [Rejected(DEPOSIT_KNOWN)]
        self.accounts[WALLETS[command.asset]].add_free(command.asset, -command.amount)
        account.add_free(command.asset, command.amount)
        facts: list[Fact] = [DepositCredited(*command)]
        return facts + self._make_up(command.time_ms, command.account_id)

    def reverse_deposit(self, command: ReverseDeposit) -> list[Fact]:
        output = f"{command.transaction_id}:{command.event_index}"
        account = self.accounts.get(command.account_id)
        if account is None or output not in self.credited_outputs:
            return [Rejected(DEPOSIT_UNKNOWN)]
        # Forgotten, so that it counts again if it is mined again.
        self.credited_outputs.remove(output)
        taken = min(account.free_sat, command.amount)
        missing = command.amount - taken
        if missing:
            owed = self.shortfalls.get(command.account_id, 0)
            self.shortfalls[command.account_id] = owed + missing
        self._take_back(account, taken)
        return [
            DepositReversed(
                command.time_ms,
                command.account_id,
                taken,
                missing,
                command.event_index,
                command.transaction_id,
            )
        ]

    def make_up_shortfall(self, command: MakeUpShortfall) -> list[Fact]:
        return self._make_up(command.time_ms, command.account_id) or [Rejected(NO_SHORTFALL)]

    def _make_up(self, time_ms: int, account_id: int) -> list[Fact]:
        """Take what an account owes, as far as it is free."""
        owed = self.shortfalls.get(account_id, 0)
        account = self.accounts[account_id]
        taken = min(owed, account.free_sat)
        if not taken:
            return []
        self.shortfalls[account_id] = owed - taken
        if taken == owed:
            del self.shortfalls[account_id]
        self._take_back(account, taken)
        return [ShortfallMadeUp(time_ms, account_id, taken)]

    def _take_back(self, account: Account, amount_sat: int) -> None:
        account.free_sat -= amount_sat
        self.accounts[BTC_WALLET].free_sat += amount_sat

    def request_withdrawal(self, command: RequestWithdrawal) -> list[Fact]:
        account = self.accounts.get(command.account_id)
        if account is None or command.account_id < FIRST_ACCOUNT:
            return [Rejected(UNKNOWN_ACCOUNT)]
        if command.client_withdrawal_id in account.withdrawal_names:
            return [Rejected(DUPLICATE_WITHDRAWAL)]
        refusal = self._find_refusal(account, command)
        if refusal is not None:
            return [Rejected(refusal)]
        if command.client_withdrawal_id:
            account.withdrawal_names.add(command.client_withdrawal_id)
        self.last_withdrawal_id = max(self.last_withdrawal_id, command.withdrawal_id)
        self.withdrawals[command.withdrawal_id] = command
        account.add_free(command.asset, -command.amount)
        account.add_locked(command.asset, command.amount)
        return [WithdrawalRequested(*command[:8])]

    def _find_refusal(self, account: Account, command: RequestWithdrawal) -> Reason | None:
        """Return why an account may not withdraw this, if it may not.

        A deposit not yet unlocked holds back every coin, or else it would leave as the other one.
        """
        if account.free(command.asset) < command.amount:
            return INSUFFICIENT_FUNDS
        if command.account_id in self.shortfalls:
            return OWES_SHORTFALL
        left_sat = account.free_sat - (command.amount if command.asset is Asset.BTC else 0)
        return DEPOSIT_LOCKED if left_sat < command.must_remain_sat else None

    def settle_withdrawal(self, command: SettleWithdrawal) -> list[Fact]:
        request = self.withdrawals.pop(command.withdrawal_id, None)
        if request is None:
            return [Rejected(UNKNOWN_WITHDRAWAL)]
        asset, fee = request.asset, request.fee
        self.accounts[request.account_id].add_locked(asset, -request.amount)
        self.accounts[FEES].add_free(asset, fee)
        self.accounts[WALLETS[asset]].add_free(asset, request.amount - fee + command.network_fee)
        self.accounts[NETWORK_FEES].add_free(asset, -command.network_fee)
        return [
            WithdrawalSettled(
                command.time_ms,
                request.withdrawal_id,
                request.account_id,
                asset,
                request.amount,
                fee,
                command.network_fee,
            )
        ]

    def fail_withdrawal(self, command: FailWithdrawal) -> list[Fact]:
        request = self.withdrawals.pop(command.withdrawal_id, None)
        if request is None:
            return [Rejected(UNKNOWN_WITHDRAWAL)]
        account = self.accounts[request.account_id]
        account.add_locked(request.asset, -request.amount)
        account.add_free(request.asset, request.amount)
        return [
            WithdrawalFailed(
                command.time_ms,
                request.withdrawal_id,
                request.account_id,
                request.asset,
                request.amount,
            )
        ]

    def record_network_fee(self, command: RecordNetworkFee) -> list[Fact]:
        if (command.height, command.event_index) <= self.deposit_mark:
            return [Rejected(DEPOSIT_KNOWN)]
        self.deposit_mark = (command.height, command.event_index)
        self.accounts[NETWORK_FEES].add_free(command.asset, -command.amount)
        self.accounts[WALLETS[command.asset]].add_free(command.asset, command.amount)
        return [NetworkFeeRecorded(*command)]

    def _claim(self, deposit: CreditDeposit) -> bool:
        """Note a deposit as credited; False if it was before."""
        if deposit.asset is Asset.BTC:
            output = f"{deposit.transaction_id}:{deposit.event_index}"
            is_new = output not in self.credited_outputs
            self.credited_outputs.add(output)
            return is_new
        mark = (deposit.height, deposit.event_index)
        is_new = mark > self.deposit_mark
        self.deposit_mark = max(mark, self.deposit_mark)
        return is_new
