"""Deposits counted once and withdrawals paid once, whatever happens in between."""

import time
from typing import Any

import pytest

from chain_service.client import ChainRefusal, ChainUnavailable
from chain_service.schemas import Account, Block, Extrinsic, Head, Parameters, Receipt
from exchange_service.client import ExchangeRefusal
from exchange_service.funds.deposits import Bookkeeper
from exchange_service.funds.withdrawals import RETRY_SECONDS, Payer
from exchange_service.signer.operations import Signer
from exchange_service.signer.vault import WrongPassphrase, ensure_secret, ensure_seed
from exchange_service.signer.wallet import Wallet

GENESIS = "ab" * 32
FEE_RAO = 1_000
TAO = 10**9
SOMEBODY = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"


class FakeChain:
    """Accounts and blocks in memory; each block holds what was sent since the last."""

    def __init__(self) -> None:
        self.free: dict[str, int] = {}
        self.nonces: dict[str, int] = {}
        self.waiting: list[Extrinsic] = []
        self.height = 0
        self.fails = False
        self.swallow_answer = False

    def head(self) -> Head:
        return Head(
            height=self.height, block_hash=GENESIS, time_ms=0, genesis_hash=GENESIS, block_seconds=2
        )

    def parameters(self) -> Parameters:
        return Parameters(
            preset="fake", block_milliseconds=100, blocks_per_step=1, activity_cutoff_blocks=1,
            min_allowed_weights=1, max_weight_limit_u32=1, weights_rate_limit_blocks=1,
            weights_version_key=0, existential_deposit_rao=500, transfer_fee_rao=FEE_RAO,
            fee_rao_per_byte=0, difficulty=1, burn_rao=1,
        )  # fmt: skip

    def account(self, address: str) -> Account:
        nonce = self.nonces.get(address, 0)
        return Account(
            address=address, free_rao=self.free.get(address, 0), stake_rao=0, nonce=nonce
        )

    def send(self, extrinsic: Extrinsic) -> str:
        if extrinsic.nonce != self.nonces.get(extrinsic.signer, 0):
            raise ChainRefusal("WrongNonce", "used already")
        self.nonces[extrinsic.signer] = extrinsic.nonce + 1
        if extrinsic.call == "transfer_all":
            self._sweep(extrinsic)
            return "aa"
        self.waiting.append(extrinsic)
        if self.swallow_answer:
            raise ChainUnavailable("the line went dead")
        return self.hash_of(extrinsic)

    def receipt(self, extrinsic_hash: str) -> Receipt:
        return Receipt(hash=extrinsic_hash, status="pending")

    def wait(self, extrinsic_hash: str) -> Receipt:
        return Receipt(hash=extrinsic_hash, status="included")

    def _sweep(self, extrinsic: Extrinsic) -> None:
        sender, receiver = extrinsic.signer, extrinsic.arguments["receiver"]
        self.move(sender, receiver, self.free[sender] - FEE_RAO)
        self.free[sender] -= FEE_RAO

    def hash_of(self, extrinsic: Extrinsic) -> str:
        return f"{extrinsic.nonce:064x}"

    def move(self, sender: str, receiver: str, amount_rao: int) -> None:
        self.free[sender] = self.free.get(sender, 0) - amount_rao
        self.free[receiver] = self.free.get(receiver, 0) + amount_rao

    def block(self, *gifts: tuple[str, int]) -> Block:
        """Seal a block with gifts from nowhere, and all that was sent."""
        events: list[dict[str, Any]] = []
        for receiver, amount_rao in gifts:
            self.free[receiver] = self.free.get(receiver, 0) + amount_rao
            self._record(events, "nobody", receiver, amount_rao, None)
        extrinsics = [self._include(extrinsic, events) for extrinsic in self.waiting]
        self.waiting.clear()
        header = {
            "height": self.height, "block_hash": GENESIS, "parent_hash": GENESIS, "time_ms": 0,
            "extrinsics_root": GENESIS, "state_root": GENESIS, "author": "", "signature": "",
        }  # fmt: skip
        sealed = {"header": header, "extrinsics": extrinsics, "events": events}
        self.height += 1
        return Block.model_validate(sealed)

    def _include(self, extrinsic: Extrinsic, events: list[dict[str, Any]]) -> dict[str, Any]:
        if not self.fails:
            amount_rao = int(extrinsic.arguments["amount_rao"])
            self.move(extrinsic.signer, extrinsic.arguments["receiver"], amount_rao)
            self._record(events, extrinsic.signer, extrinsic.arguments["receiver"], amount_rao, 0)
        self.free[extrinsic.signer] -= FEE_RAO
        return {
            "hash": self.hash_of(extrinsic), "status": "failed" if self.fails else "included",
            "fee_rao": str(FEE_RAO), "extrinsic": extrinsic.model_dump(mode="json"),
        }  # fmt: skip

    def _record(
        self, events: list[dict[str, Any]], sender: str, receiver: str, amount: int, by: int | None
    ) -> None:
        events.append(
            {
                "kind": "Transferred", "height": self.height, "index": len(events),
                "extrinsic_index": by, "sender": sender, "receiver": receiver,
                "amount_rao": str(amount),
            }
        )  # fmt: skip


def refuse(extrinsic: Extrinsic) -> str:
    raise ChainUnavailable("away")


class Desk:
    """The exchange's two threads at the chain, moved by hand."""

    def __init__(self, box: Any, chain: FakeChain | None = None) -> None:
        state = box.http.app.state
        self.box = box
        self.chain = chain or FakeChain()
        self.pool = state.pool
        desk = state.funds_terms.desk
        self.signer: Signer = desk.signer
        self.wallet = self.signer._wallet
        self.rules = desk.rules
        self.restart()
        self.bookkeeper = Bookkeeper(self.chain, state.engine, state.pool, self.signer)  # type: ignore[arg-type]
        self.bookkeeper._load_next_height()

    def restart(self) -> None:
        """Begin with a payer that remembers nothing."""
        engine = self.box.engine
        self.payer = Payer(self.chain, engine, self.pool, self.signer, self.rules)

    def seal(self, *gifts: tuple[str, int]) -> Block:
        block = self.chain.block(*gifts)
        self.bookkeeper.book(block)
        return block

    def check_reserves(self) -> None:
        """What the chain holds for us is what the books say it holds (invariant I4)."""
        audit = self.box.audit()
        assert audit.sound, audit.faults
        owned = [self.wallet.address, *(self.wallet.deposit_address(n) for n in range(1001, 1010))]
        assert audit.wallet_rao == sum(self.chain.free.get(address, 0) for address in owned)


@pytest.fixture
def desk(box: Any) -> Desk:
    return Desk(box)


def test_a_deposit_is_credited_once_however_often_its_block_is_seen(desk: Desk) -> None:
    ann = desk.box.trader("ann", funded=False)
    address = ann.deposit_address()
    block = desk.seal((address, 3 * TAO), (SOMEBODY, TAO), (address, 2 * TAO))
    for _ in range(100):
        desk.bookkeeper.book(block)
    assert ann.balances()["TAO"] == ("5.000000000", "0.000000000")
    first, second = ann.deposits()
    assert {"3.000000000", "2.000000000"} == {first["amount"], second["amount"]}
    assert address == first["address"] == ann.deposit_address()
    desk.check_reserves()


def test_a_deposit_is_shown_while_it_waits(desk: Desk) -> None:
    ann = desk.box.trader("ann", funded=False)
    block = desk.chain.block((ann.deposit_address(), 3 * TAO))
    for _ in range(2):
        desk.bookkeeper.see(block)
    (seen,) = ann.deposits()
    assert (seen["status"], seen["amount"], seen["confirmTimes"]) == (0, "3.000000000", "1/2")
    assert "completeTime" not in seen
    desk.bookkeeper.book(block)
    (seen,) = ann.deposits()
    assert (seen["status"], seen["confirmTimes"], seen["unlockConfirm"]) == (1, "2/2", 2)


def test_every_account_has_its_own_address(desk: Desk) -> None:
    ann, bob = desk.box.trader("ann"), desk.box.trader("bob")
    assert ann.deposit_address() != bob.deposit_address()
    desk.seal((bob.deposit_address(), TAO))
    assert ann.balances()["TAO"][0] == "0.000000000"
    assert bob.balances()["TAO"][0] == "1.000000000"


def test_a_withdrawal_is_signed_stored_sent_and_settled(desk: Desk) -> None:
    ann = desk.box.trader("ann")
    desk.seal((ann.deposit_address(), 5 * TAO))
    number = ann.withdraw("2", SOMEBODY, "rent")["id"]
    assert ann.balances()["TAO"] == ("3.000000000", "2.000000000")
    desk.payer.step()
    (seen,) = ann.withdrawals()
    assert (number, 4, "1.999000000", "0.001000000") == (
        seen["id"], seen["status"], seen["amount"], seen["transactionFee"],
    )  # fmt: skip
    desk.seal()
    (seen,) = ann.withdrawals()
    assert (6, f"{0:064x}") == (seen["status"], seen["txId"])
    assert ann.balances()["TAO"] == ("3.000000000", "0.000000000")
    assert desk.chain.free[SOMEBODY] == 1_999_000_000
    # The sweep's own fee is booked when its block is seen; here it went without a block.
    desk.chain.free[desk.wallet.address] += FEE_RAO
    desk.check_reserves()


def test_asking_twice_by_the_same_name_withdraws_once(desk: Desk) -> None:
    ann = desk.box.trader("ann")
    desk.seal((ann.deposit_address(), 5 * TAO))
    assert ann.withdraw("1", SOMEBODY, "rent") == ann.withdraw("1", SOMEBODY, "rent")
    assert ann.balances()["TAO"] == ("4.000000000", "1.000000000")


def test_a_line_that_dies_after_sending_does_not_pay_twice(desk: Desk) -> None:
    ann = desk.box.trader("ann")
    desk.seal((ann.deposit_address(), 5 * TAO))
    ann.withdraw("1", SOMEBODY)
    desk.chain.swallow_answer = True
    with pytest.raises(ChainUnavailable):
        desk.payer.step()
    desk.chain.swallow_answer = False
    for _ in range(3):
        desk.payer.step()
    assert len(desk.chain.waiting) == 1
    block = desk.seal()
    desk.bookkeeper.book(block)
    assert desk.chain.free[SOMEBODY] == 999_000_000
    assert ann.balances()["TAO"] == ("4.000000000", "0.000000000")


def test_stored_bytes_are_sent_again_after_a_crash_before_sending(desk: Desk) -> None:
    ann = desk.box.trader("ann")
    desk.seal((ann.deposit_address(), 5 * TAO))
    ann.withdraw("1", SOMEBODY)
    send = desk.chain.send
    desk.chain.send = refuse  # type: ignore[method-assign]
    with pytest.raises(ChainUnavailable):
        desk.payer.step()
    desk.chain.send = send  # type: ignore[method-assign]
    desk.payer.step()
    desk.payer.step()
    assert len(desk.chain.waiting) == 1
    desk.seal()
    assert ann.withdrawals()[0]["status"] == 6


def test_a_payment_that_fails_on_chain_gives_the_coins_back(desk: Desk) -> None:
    ann = desk.box.trader("ann")
    desk.seal((ann.deposit_address(), 5 * TAO))
    ann.withdraw("1", SOMEBODY)
    desk.payer.step()
    desk.chain.fails = True
    desk.seal()
    assert ann.withdrawals()[0]["status"] == 5
    assert ann.balances()["TAO"] == ("5.000000000", "0.000000000")


def test_a_payment_that_expired_is_signed_anew(desk: Desk) -> None:
    ann = desk.box.trader("ann")
    desk.seal((ann.deposit_address(), 5 * TAO))
    ann.withdraw("1", SOMEBODY)
    desk.payer.step()
    desk.chain.waiting.clear()
    desk.chain.nonces.clear()
    for _ in range(155):
        desk.seal()
    desk.payer.step()
    desk.seal()
    assert ann.withdrawals()[0]["status"] == 6
    assert desk.chain.free[SOMEBODY] == 999_000_000


@pytest.mark.parametrize(
    ("amount", "address", "code"),
    [
        ("9", SOMEBODY, "-4026"),
        ("0.0001", SOMEBODY, "-4022"),
        ("1", "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQX", "-4007"),
        ("1", "nowhere", "-4007"),
        ("0.0000000001", SOMEBODY, "-1111"),
    ],
)
def test_withdrawals_that_are_refused(desk: Desk, amount: str, address: str, code: str) -> None:
    ann = desk.box.trader("ann")
    desk.seal((ann.deposit_address(), 5 * TAO))
    with pytest.raises(ExchangeRefusal) as refusal:
        ann.withdraw(amount, address)
    assert code == refusal.value.code
    assert ann.balances()["TAO"] == ("5.000000000", "0.000000000")
    with pytest.raises(ExchangeRefusal, match="-4007"):
        ann.withdraw("1", desk.wallet.address)


def test_the_seed_is_encrypted_and_its_file_is_private(tmp_path: Any) -> None:
    path, passphrase = tmp_path / "wallet" / "seed", "correct horse battery"
    seed = ensure_seed(path, passphrase)
    assert seed == ensure_seed(path, passphrase)
    assert seed.hex() not in path.read_text()
    with pytest.raises(WrongPassphrase, match="does not open"):
        ensure_seed(path, "another passphrase")
    with pytest.raises(WrongPassphrase, match="at least 12"):
        ensure_seed(path, "short")
    path.write_text("{}")
    with pytest.raises(WrongPassphrase, match="does not open"):
        ensure_seed(path, passphrase)
    path.chmod(0o644)
    with pytest.raises(PermissionError, match="chmod 600"):
        ensure_seed(path, passphrase)


def test_the_secret_behind_api_keys_is_made_once_and_private(tmp_path: Any) -> None:
    path = tmp_path / "secret"
    assert ensure_secret(path) == ensure_secret(path)
    path.chmod(0o644)
    with pytest.raises(PermissionError, match="chmod 600"):
        ensure_secret(path)


def test_another_seed_than_the_database_knows_is_refused(desk: Desk) -> None:
    from exchange_service.funds.deposits import OtherChain

    other = Signer(desk.pool, Wallet(b"\1" * 32), desk.rules)
    bookkeeper = Bookkeeper(desk.chain, desk.box.engine, desk.pool, other)  # type: ignore[arg-type]
    with pytest.raises(OtherChain, match="restore the seed"):
        bookkeeper._load_next_height()


def test_a_withdrawal_that_the_signer_refuses_holds_up_no_other(desk: Desk) -> None:
    """Else whoever lists no address after asking would stop the payments of all."""
    ann, bob = desk.box.trader("ann"), desk.box.trader("bob")
    desk.seal((ann.deposit_address(), 5 * TAO), (bob.deposit_address(), 5 * TAO))
    ann.withdraw("1", SOMEBODY)
    ann.enforce_allow_list()
    bob.withdraw("2", SOMEBODY)
    bob.withdraw("1", SOMEBODY)
    for _ in range(2):
        desk.payer.step()
        desk.payer.step()
        desk.seal()
    assert [row["status"] for row in bob.withdrawals()] == [6, 6]
    assert ann.withdrawals()[0]["status"] == 2
    assert [one.nonce for one in list_payments(desk)] == [0, 1]
    # It has its turn again once the list is off: here, with a payer that has refused nothing yet.
    with desk.pool.connection() as conn:
        conn.execute("TRUNCATE allow_list")
    desk.restart()
    desk.payer.step()
    desk.seal()
    assert ann.withdrawals()[0]["status"] == 6
    assert desk.chain.free[SOMEBODY] == 3_997_000_000


def test_a_withdrawal_that_the_wallet_can_not_pay_holds_up_no_other(desk: Desk) -> None:
    ann, bob = desk.box.trader("ann", tao=50), desk.box.trader("bob", tao=50)
    desk.chain.free[desk.wallet.address] = 5 * TAO
    ann.withdraw("20", SOMEBODY)
    bob.withdraw("2", SOMEBODY)
    desk.payer.step()
    desk.seal()
    assert (ann.withdrawals()[0]["status"], bob.withdrawals()[0]["status"]) == (2, 6)


def test_a_withdrawal_that_was_refused_is_tried_again_after_a_while(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = desk.box.trader("ann", tao=50)
    ann.withdraw("20", SOMEBODY)
    desk.payer.step()
    desk.chain.free[desk.wallet.address] = 50 * TAO
    desk.payer.step()
    assert ann.withdrawals()[0]["status"] == 2
    later = time.monotonic() + RETRY_SECONDS
    monkeypatch.setattr(time, "monotonic", lambda: later)
    desk.payer.step()
    assert ann.withdrawals()[0]["status"] == 4
    desk.seal()
    desk.payer.step()
    assert desk.payer._retry_at == {}, "what is paid is forgotten"


def list_payments(desk: Desk) -> list[Extrinsic]:
    with desk.pool.connection() as conn:
        rows = conn.execute(
            "SELECT extrinsic FROM withdrawal WHERE extrinsic IS NOT NULL"
            " ORDER BY (extrinsic->>'nonce')::bigint"
        ).fetchall()
    return [Extrinsic.model_validate(row[0]) for row in rows]
