"""After the faults: every book exact, every acknowledgement kept, nothing done twice."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.life import Signs
from tests.chaos.village import Village, wait_for
from tests.chaos.workload import (
    DEPOSIT_RAO,
    TRANSFER_RAO,
    WITHDRAWAL_FEE_RAO,
    WITHDRAWAL_RAO,
    Doors,
)

from chain_service.client import ChainClient
from exchange_service.client import ExchangeClient
from taonet.kit.money import parse_tao
from validator_service.client import GatewayClient

SETTLE_SECONDS = 240.0
COMPLETED = 6
"""Binance's number of a withdrawal that is done."""
PAGE = 1_000
TAONET = (sys.executable, "-m", "taonet.cli.main")


@dataclass(frozen=True)
class Finding:
    """One thing that was checked."""

    what: str
    seen: str
    sound: bool


class Auditor:
    """Asks doors and stores of a box at rest."""

    def __init__(self, doors: Doors, gateways: list[str], signs: Signs, village: Village) -> None:
        self.doors, self.gateways, self.village = doors, gateways, village
        self.query = signs.query
        self.operator_token = signs.stores.passwords["exchange_operator"]

    def look(self) -> list[Finding]:
        """Wait until what is under way has settled, then check everything."""
        self.settle()
        checks: list[Callable[[], Finding]] = [
            self.check_supply,
            self.check_replay,
            self.check_follower,
            self.check_transfers,
            self.check_receiver,
            self.check_gateways,
            self.check_questions,
            self.check_exchange,
            self.check_reserves,
            self.check_orders,
            self.check_deposits,
            self.check_withdrawals,
            lambda: self.check_rounds("validator_1"),
            lambda: self.check_rounds("validator_2"),
        ]
        return [check() for check in checks]

    def settle(self) -> None:
        wait_for("the mempool is empty", lambda: not self.count("chain.mempool"), SETTLE_SECONDS)
        wait_for("all withdrawals are done", self.all_paid, SETTLE_SECONDS)
        wait_for("all deposits are credited", self.all_credited, SETTLE_SECONDS)
        wait_for("the gateways' books are at rest", self.all_balanced, SETTLE_SECONDS)

    def count(self, table: str, condition: str = "TRUE") -> int:
        return int(self.query(f"SELECT count(*) FROM {table} WHERE {condition}")[0][0])

    # The chain

    def check_supply(self) -> Finding:
        with ChainClient(self.doors.chain) as chain:
            head = chain.head().height
            supplies = [chain.supply(height) for height in range(0, head + 1, max(head // 50, 1))]
        off = [
            each.height
            for each in supplies
            if each.free_rao + each.stake_rao + each.pot_rao != each.issuance_rao
        ]
        heights, highest = self.query("SELECT count(*), max(height) FROM chain.block")[0]
        whole = heights == highest + 1
        seen = f"{len(supplies)} heights up to {head}, {'no gap' if whole else 'GAPS'}"
        return Finding("free + stake + pot == issuance", seen, not off and whole)

    def check_replay(self) -> Finding:
        """Execute the whole chain again, trusting nothing but its first block."""
        done = subprocess.run(
            [*TAONET, "chain", "verify", "--json", "--chain", self.doors.chain],
            capture_output=True,
            text=True,
        )
        seen = done.stderr.strip()[-200:]
        if done.returncode == 0:
            told = json.loads(done.stdout)
            seen = f"{told['blocks']:,} blocks, {told['extrinsics']:,} extrinsics, equal roots"
        return Finding("the chain executed again", seen, done.returncode == 0)

    def check_follower(self) -> Finding:
        [(height,)] = self.query("SELECT max(height) FROM chain_follower.block")
        [(differing,)] = self.query(
            "SELECT count(*) FROM chain.block JOIN chain_follower.block AS own USING (height) "
            "WHERE block.block_hash <> own.block_hash"
        )
        return Finding("the follower's blocks", f"{height + 1} equal", differing == 0)

    def check_transfers(self) -> Finding:
        included = {
            str(row[0])
            for row in self.query("SELECT hash FROM chain.extrinsic WHERE status = 'included'")
        }
        noted = [*self.village.payer.acknowledged, *self.village.depositor.acknowledged]
        lost = set(noted) - included
        return Finding(
            "transfers acknowledged", f"{len(noted)}, lost {len(lost)}", not lost and bool(noted)
        )

    def check_receiver(self) -> Finding:
        """Who is paid by one alone holds exactly what that one's included transfers are worth."""
        receiver = self.village.receiver
        paid = self.paid_to(receiver)
        with ChainClient(self.doors.chain) as chain:
            held_rao = chain.account(receiver).free_rao
        return Finding(
            "transfers carried out",
            f"{paid}, worth {held_rao} rao",
            held_rao == paid * TRANSFER_RAO,
        )

    def paid_to(self, address: str) -> int:
        return self.count(
            "chain.extrinsic",
            "status = 'included' AND body ->> 'call' = 'transfer' "
            f"AND body -> 'arguments' ->> 'receiver' = '{address}'",
        )

    # The gateways

    def all_balanced(self) -> bool:
        for url in self.gateways:
            with GatewayClient(url) as gateway:
                if not gateway.audit().balanced:
                    return False
        return not self.count("validator_1.call", "state = 'reserved'")

    def check_gateways(self) -> Finding:
        seen, problems = [], []
        for url in self.gateways:
            with GatewayClient(url) as gateway:
                audit = gateway.audit()
            seen.append(f"{audit.books_rao} rao")
            problems += audit.problems if audit.problems or audit.balanced else ["not balanced"]
        return Finding(
            "the gateways' books and the chain", ", ".join([*seen, *problems]), not problems
        )

    def check_questions(self) -> Finding:
        rows = self.query(
            "SELECT request_id, cost_rao FROM validator_1.call WHERE state = 'settled'"
        )
        costs: dict[str, int] = {}
        for name, cost_rao in rows:
            call = str(name).partition("-")[0]
            costs[call] = costs.get(call, 0) + int(cost_rao)
        noted = dict(self.village.asker.acknowledged)
        wrong = [name for name, cost_rao in noted.items() if costs.get(name) != cost_rao]
        return Finding(
            "answers paid at the price told",
            f"{len(noted)}, wrong {len(wrong)}",
            not wrong and bool(noted),
        )

    # The exchange

    def check_exchange(self) -> Finding:
        with ExchangeClient(self.doors.exchange) as public:
            audit = public.audit(self.operator_token)
        seen = f"{len(audit.invariants)} invariants, {audit.trades} trades"
        return Finding("the exchange's books", "; ".join([seen, *audit.faults]), audit.sound)

    def check_reserves(self) -> Finding:
        done = subprocess.run(
            [*TAONET, "exchange", "reserves"],
            env=os.environ | {"TAONET_EXCHANGE_URL": self.doors.exchange},
            capture_output=True,
            text=True,
        )
        sound = done.returncode == 0 and "verified   yes" in done.stdout
        return Finding(
            "proof of reserves", "verified" if sound else done.stdout + done.stderr, sound
        )

    def check_orders(self) -> Finding:
        trader, known = self.village.trader, dict[int, str]()
        while True:
            first = max(known, default=0) + 1
            page = trader.exchange.all_orders(orderId=first, limit=PAGE)
            known |= {order["orderId"]: order["status"] for order in page}
            if len(page) < PAGE:
                break
        told = dict(trader.acknowledged)
        # What was told as open may have ended since, unheard; what ended must have ended so.
        wrong = [
            number
            for number, status in told.items()
            if number not in known or (status != "NEW" and known[number] != status)
        ]
        return Finding(
            "orders acknowledged",
            f"{len(told)}, lost or altered {len(wrong)}",
            not wrong and bool(told),
        )

    def all_credited(self) -> bool:
        saver = self.village.withdrawer.exchange
        address = saver.deposit_address()
        credited = sum(parse_tao(row["amount"]) == DEPOSIT_RAO for row in self.deposits())
        return credited == self.paid_to(address)

    def deposits(self) -> list[dict[str, str]]:
        rows: list[dict[str, str]] = self.village.withdrawer.exchange.deposits()
        return [row for row in rows if "completeTime" in row]  # Not those that wait.

    def check_deposits(self) -> Finding:
        rows = [row for row in self.deposits() if parse_tao(row["amount"]) == DEPOSIT_RAO]
        sent = self.paid_to(self.village.withdrawer.exchange.deposit_address())
        once = len({row["txId"] for row in rows}) == len(rows) == sent
        missing = set(self.village.depositor.acknowledged) - {row["txId"] for row in rows}
        return Finding(
            "deposits credited once",
            f"{len(rows)} of {sent}, lost {len(missing)}",
            once and not missing,
        )

    def all_paid(self) -> bool:
        rows = self.village.withdrawer.exchange.withdrawals()
        return all(row["status"] == COMPLETED for row in rows)

    def check_withdrawals(self) -> Finding:
        rows = self.village.withdrawer.exchange.withdrawals()
        names = [row["withdrawOrderId"] for row in rows]
        lost = set(self.village.withdrawer.acknowledged) - set(names)
        with ChainClient(self.doors.chain) as chain:
            held_rao = chain.account(self.village.heir).free_rao
        exact = held_rao == len(rows) * (WITHDRAWAL_RAO - WITHDRAWAL_FEE_RAO)
        once = len(set(names)) == len(names)
        return Finding(
            "withdrawals paid once",
            f"{len(rows)}, lost {len(lost)}, {held_rao} rao arrived",
            exact and once and not lost and bool(rows),
        )

    # The rounds

    def check_rounds(self, schema: str) -> Finding:
        opened = self.count(f"{schema}.round")
        scored = self.count(f"{schema}.round", "state = 'scored'")
        open_long = self.count(
            f"{schema}.round",
            "state IN ('asking', 'asked') AND touched_at < now() - interval '90 s'",
        )
        parked = self.count(f"{schema}.round", "state = 'parked'")
        [(tally,)] = self.query(
            f"SELECT coalesce(sum(total), 0) FROM {schema}.tally "
            "WHERE kind = 'round' AND code = 'scored'"
        )
        seen = f"{opened} opened, {scored} scored, {parked} parked, {open_long} forgotten"
        sound = open_long == 0 and int(tally) >= scored > 0
        return Finding(f"rounds of {schema.replace('_', '-')}", seen, sound)
