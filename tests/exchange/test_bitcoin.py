"""BTC credited once and paid once, through reorganisations, crashes and dear blocks.

The numbers are those of the failure modes that exchanges have died of: 2 a deposit counted twice,
3 a deposit taken back, 4 a withdrawal paid twice, 15 coins missing.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from exchange_service.client import ExchangeRefusal
from exchange_service.signer import repository as signer_repository
from exchange_service.signer.operations import WillNotSign
from exchange_service.signer.schemas import Outpoint
from taonet.kit.errors import RemoteRefusal, Unavailable

from .bitcoin_desk import CONFIRMATIONS, STRANGER, BitcoinDesk, running_node
from .conftest import Box


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture(scope="module")
def node(postgres_admin_url: str) -> Iterator[TestClient]:
    """One chain for all tests: each has an exchange of its own, with keys of its own."""
    with running_node(postgres_admin_url) as http:
        yield http


@pytest.fixture
def desk(box: Box, node: TestClient) -> BitcoinDesk:
    return BitcoinDesk(box, node)


def btc(client: Any) -> tuple[str, str]:
    balance: tuple[str, str] = client.balances()["BTC"]
    return balance


def test_the_faucets_coin_counts_at_its_confirmations_and_once(desk: BitcoinDesk) -> None:
    """Failure mode 2."""
    ann = desk.box.trader("ann")
    desk.mine(CONFIRMATIONS - 1)
    assert btc(ann) == ("0.00000000", "0.00000000")
    desk.mine()
    assert btc(ann) == ("1.00000000", "0.00000000")
    (deposit,) = ann.deposits()
    assert (deposit["coin"], deposit["amount"], deposit["confirmTimes"]) == (
        "BTC", "1.00000000", "3/3",
    )  # fmt: skip
    block = desk.node.block(desk.call("getrawtransaction", deposit["txId"], 1)["blockhash"])
    for _ in range(100):
        desk.bookkeeper._book(block)
    assert btc(ann) == ("1.00000000", "0.00000000")
    desk.check_reserves()


def test_a_deposit_made_before_anybody_looked_counts(desk: BitcoinDesk) -> None:
    """The first address is given out while the thread that reads is not yet there."""
    key = desk.box.public.create_key("ann", True)
    desk.call("generatetoaddress", 20, desk.call("getnewaddress"))
    desk.restart()
    desk.read()
    assert btc(desk.box.client(key.api_key, key.secret)) == ("1.00000000", "0.00000000")


def test_a_chain_that_is_another_from_where_it_was_begun_is_read_anew(desk: BitcoinDesk) -> None:
    ann = desk.trader("ann")
    with desk.pool.connection() as conn:
        conn.execute("UPDATE bitcoin_block SET hash = 'other'")
    desk.read()
    assert btc(ann) == ("1.00000000", "0.00000000")
    desk.check_reserves()


def test_a_rescan_credits_nothing_again(desk: BitcoinDesk) -> None:
    ann = desk.trader("ann")
    with desk.pool.connection() as conn:
        conn.execute("TRUNCATE bitcoin_block")
        first = desk.call("getblockcount") - 40
        block_hash = desk.call("getblockhash", first)
        conn.execute("INSERT INTO bitcoin_block VALUES (%s, %s)", (first, block_hash))
    desk.restart()
    desk.read()
    assert btc(ann) == ("1.00000000", "0.00000000")
    desk.check_reserves()


def test_a_deposit_that_is_reorganised_away_in_time_never_counts(desk: BitcoinDesk) -> None:
    """Failure mode 3, above the depth of confirmations."""
    ann = desk.box.trader("ann")
    (block_hash, *_) = desk.mine(CONFIRMATIONS - 1)
    desk.call("invalidateblock", block_hash)
    desk.forget_waiting()
    desk.mine(CONFIRMATIONS + 2)
    assert btc(ann) == ("0.00000000", "0.00000000")
    desk.check_reserves()


def test_a_deeper_reorganisation_stops_payouts_until_the_deposit_is_back(desk: BitcoinDesk) -> None:
    """Failure mode 3, below it: nobody is paid with coins that may not exist."""
    ann = desk.trader("ann")
    bob = desk.trader("bob")
    bob.withdraw("0.1", STRANGER, coin="BTC")
    deposit = ann.deposits()[0]
    block_hash = desk.call("getrawtransaction", deposit["txId"], 1)["blockhash"]
    raw = desk.call("getrawtransaction", deposit["txId"])
    desk.call("invalidateblock", block_hash)
    desk.forget_waiting()
    desk.mine(12)

    with pytest.raises(ExchangeRefusal, match="suspended"):
        ann.withdraw("0.5", STRANGER, coin="BTC")
    desk.payer.step()
    desk.mine(CONFIRMATIONS)
    assert desk.received_sat() == 0
    audit = desk.box.audit()
    assert not audit.sound
    assert "no block" in " ".join(audit.faults)

    desk.call("sendrawtransaction", raw)
    with desk.pool.connection() as conn:  # Bob's deposit went the same way, and comes back, too.
        missing = conn.execute("SELECT DISTINCT txid FROM bitcoin_coin WHERE height IS NULL")
        assert deposit["txId"] in {row[0] for row in missing}
    for one in bob.deposits():
        desk.call("sendtoaddress", one["address"], one["amount"])
    desk.mine(CONFIRMATIONS)
    assert btc(ann) == ("1.00000000", "0.00000000")


def test_an_innocent_reorganisation_changes_nothing(desk: BitcoinDesk) -> None:
    """The same transactions in other blocks: unbooked, booked again, credited once."""
    ann = desk.trader("ann")
    deposit = ann.deposits()[0]
    block_hash = desk.call("getrawtransaction", deposit["txId"], 1)["blockhash"]
    desk.call("invalidateblock", block_hash)
    desk.mine(CONFIRMATIONS + 4)
    assert btc(ann) == ("1.00000000", "0.00000000")
    ann.withdraw("0.4", STRANGER, coin="BTC")
    desk.payer.step()
    desk.mine(CONFIRMATIONS)
    assert ann.withdrawals()[0]["status"] == 6
    desk.check_reserves()


def test_a_withdrawal_is_signed_stored_sent_and_settled(desk: BitcoinDesk) -> None:
    ann = desk.trader("ann")
    ann.withdraw("0.4", STRANGER, "rent", coin="BTC")
    assert btc(ann) == ("0.60000000", "0.40000000")
    desk.payer.step()
    (seen,) = ann.withdrawals()
    assert (seen["status"], seen["amount"]) == (4, "0.39995000")
    assert desk.call("getrawmempool") == [seen["txId"]]
    for _ in range(3):
        desk.payer.step()
    desk.mine(CONFIRMATIONS)
    assert ann.withdrawals()[0]["status"] == 6
    assert btc(ann) == ("0.60000000", "0.00000000")
    assert desk.received_sat() == 39_995_000
    desk.check_reserves()
    # The change is ours again, and pays the next one.
    ann.withdraw("0.55", STRANGER, coin="BTC")
    with desk.pool.connection() as conn:
        conn.execute("UPDATE withdrawal SET requested_ms = 0 WHERE status = 'requested'")
    desk.payer.step()
    desk.mine(CONFIRMATIONS)
    assert desk.received_sat() == 39_995_000 + 54_995_000
    desk.check_reserves()


STAGES = ("before signing", "before storing", "before sending", "after sending", "before settling")


@pytest.mark.parametrize("stage", STAGES)
def test_killed_at_any_stage_it_pays_once(
    desk: BitcoinDesk, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Failure mode 4."""
    ann = desk.trader("ann")
    ann.withdraw("0.4", STRANGER, coin="BTC")
    send = desk.node.send

    def die(*_: object) -> None:
        raise Killed

    def send_and_die(raw: str) -> bool:
        send(raw)
        raise Killed

    with monkeypatch.context() as patched:
        if stage == "before signing":
            patched.setattr(desk.signer, "_build", die)
        elif stage == "before storing":
            patched.setattr(signer_repository, "insert_payment", die)
        elif stage == "before sending":
            patched.setattr(desk.node, "send", die)
        elif stage == "after sending":
            patched.setattr(desk.node, "send", send_and_die)
        if stage == "before settling":
            desk.payer.step()
            patched.setattr(desk.bookkeeper, "_apply", die)
            with pytest.raises(Killed):
                desk.mine(CONFIRMATIONS)
        else:
            with pytest.raises(Killed):
                desk.payer.step()
    desk.restart()
    for _ in range(3):
        desk.payer.step()
        desk.mine()
    desk.mine(CONFIRMATIONS)
    assert desk.received_sat() == 39_995_000
    assert ann.withdrawals()[0]["status"] == 6
    assert btc(ann) == ("0.60000000", "0.00000000")
    desk.check_reserves()


def test_a_payment_that_waits_is_made_dearer_and_is_one_payment(desk: BitcoinDesk) -> None:
    """Failure mode 4: the versions spend the same coins, so the chain takes one."""
    ann = desk.trader("ann")
    ann.withdraw("0.4", STRANGER, coin="BTC")
    desk.payer.step()
    (first,) = desk.call("getrawmempool")
    desk.http.app.state.fee_rate_min = 20.0  # type: ignore[attr-defined]
    desk.mine(7)
    desk.payer.step()
    (second,) = desk.call("getrawmempool")
    assert first != second == ann.withdrawals()[0]["txId"]
    desk.mine(CONFIRMATIONS)
    assert ann.withdrawals()[0]["status"] == 6
    assert desk.received_sat() == 39_995_000
    desk.check_reserves()


def test_payouts_go_on_after_another_version_of_a_payment_was_mined(desk: BitcoinDesk) -> None:
    """A deep reorganisation that takes the dearer version's change brings the other's."""
    ann = desk.trader("ann")
    ann.withdraw("0.4", STRANGER, coin="BTC")
    desk.payer.step()
    (first,) = desk.call("getrawmempool")
    raw = desk.call("getrawtransaction", first)
    desk.http.app.state.fee_rate_min = 20.0  # type: ignore[attr-defined]
    desk.mine(7)
    desk.payer.step()
    (block_hash, *_) = desk.mine(CONFIRMATIONS)
    assert ann.withdrawals()[0]["txId"] != first

    desk.http.app.state.fee_rate_min = 0.0  # type: ignore[attr-defined]
    desk.call("invalidateblock", block_hash)
    desk.forget_waiting()
    desk.call("sendrawtransaction", raw)
    desk.mine(CONFIRMATIONS + 2)
    assert ann.withdrawals()[0]["txId"] == first
    ann.withdraw("0.1", STRANGER, coin="BTC")
    desk.payer.step()
    desk.mine(CONFIRMATIONS)
    assert [row["status"] for row in ann.withdrawals()] == [6, 6]
    assert desk.received_sat() == 39_995_000 + 9_995_000
    audit = desk.box.public.audit()
    assert audit.sound, audit.faults


def test_a_payment_the_node_forgot_is_sent_again(desk: BitcoinDesk) -> None:
    ann = desk.trader("ann")
    ann.withdraw("0.4", STRANGER, coin="BTC")
    desk.payer.step()
    before = desk.call("getrawmempool")
    desk.forget_waiting()
    desk.payer.step()
    assert desk.call("getrawmempool") == before


def test_the_signer_signs_only_what_the_outbox_holds(desk: BitcoinDesk) -> None:
    ann = desk.trader("ann")
    coin = Outpoint(txid=ann.deposits()[0]["txId"], vout=desk.call(
        "getrawtransaction", ann.deposits()[0]["txId"], 1)["vout"][0]["n"])  # fmt: skip
    with pytest.raises(WillNotSign, match="no withdrawal 1"):
        desk.signer.sign_bitcoin(1, [coin], 1_000, 1)
    number = int(ann.withdraw("0.4", STRANGER, coin="BTC")["id"])
    with pytest.raises(WillNotSign, match="not ours"):
        desk.signer.sign_bitcoin(number, [Outpoint(txid="ab" * 32, vout=0)], 1_000, 1)
    with pytest.raises(WillNotSign, match="not ours"):
        desk.signer.sign_bitcoin(number, [], 1_000, 1)
    desk.payer.step()
    with pytest.raises(WillNotSign, match="is signed; it is not signed again"):
        desk.signer.sign_bitcoin(number, [coin], 1_000, 1)
    with pytest.raises(WillNotSign, match="above all reason"):
        desk.signer.bump_bitcoin(number, 10_000_000, 1)
    with pytest.raises(WillNotSign, match="not above"):
        desk.signer.bump_bitcoin(number, 1, 1)


def test_an_amount_the_wallet_lacks_waits(desk: BitcoinDesk) -> None:
    """Failure mode 15: coins missing from the wallet stop payments, not the exchange."""
    ann = desk.trader("ann")
    with desk.pool.connection() as conn:
        conn.execute("UPDATE bitcoin_coin SET withdrawal_id = 999")
    ann.withdraw("0.4", STRANGER, coin="BTC")
    desk.payer.step()
    assert ann.withdrawals()[0]["status"] == 2
    assert desk.call("getrawmempool") == []


@pytest.mark.parametrize(
    ("amount", "address", "code"),
    [
        ("9", STRANGER, "-4026"),
        ("0.00001", STRANGER, "-4022"),
        ("0.4", STRANGER[:-1] + "q", "-4007"),
        ("0.4", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "-4007"),
        ("0.4", "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY", "-4007"),
        ("0.000000001", STRANGER, "-1111"),
    ],
)
def test_withdrawals_that_are_refused(
    desk: BitcoinDesk, amount: str, address: str, code: str
) -> None:
    ann = desk.trader("ann")
    with pytest.raises(ExchangeRefusal) as refusal:
        ann.withdraw(amount, address, coin="BTC")
    assert refusal.value.code == code
    with pytest.raises(ExchangeRefusal, match="-4007"):
        ann.withdraw("0.4", desk.signer.describe().btc, coin="BTC")
    assert btc(ann) == ("1.00000000", "0.00000000")


def test_dust_is_not_credited(desk: BitcoinDesk) -> None:
    ann = desk.trader("ann")
    desk.call("sendtoaddress", ann.deposit_address("BTC"), "0.00000999")
    desk.mine(CONFIRMATIONS)
    assert btc(ann) == ("1.00000000", "0.00000000")


def test_mined_coins_are_not_spent_before_they_are_ripe(desk: BitcoinDesk) -> None:
    ann = desk.box.trader("ann", funded=False)
    desk.call("generatetoaddress", 1, ann.deposit_address("BTC"))
    desk.mine(CONFIRMATIONS)
    assert float(btc(ann)[0]) > 1
    ann.withdraw("0.4", STRANGER, coin="BTC")
    desk.payer.step()
    assert desk.call("getrawmempool") == []
    desk.mine(100)
    desk.payer.step()
    assert len(desk.call("getrawmempool")) == 1


def test_a_node_that_is_away_is_waited_for(desk: BitcoinDesk, tmp_path: Any) -> None:
    from exchange_service.bitcoin.node import BitcoinNode

    with pytest.raises(Unavailable, match="does not answer"):
        BitcoinNode("http://a:b@127.0.0.1:1").height()
    with pytest.raises(Unavailable, match="refuses our user"):
        BitcoinNode("http://a:b@node", http=desk.http).height()  # type: ignore[arg-type]
    with pytest.raises(Unavailable, match="cookie"):
        BitcoinNode("http://node", str(tmp_path / ".cookie"), desk.http).height()  # type: ignore[arg-type]
    (tmp_path / ".cookie").write_text("taonet:secret\n")
    node = BitcoinNode("http://node", str(tmp_path / ".cookie"), desk.http)  # type: ignore[arg-type]
    assert node.height() >= 110
    assert node.block_hash(10**6) is None
    with pytest.raises(RemoteRefusal, match="-22"):
        node.send("00" * 60)
    assert not node.send(desk.call("getblock", desk.call("getblockhash", 5), 2)["tx"][0]["hex"])
