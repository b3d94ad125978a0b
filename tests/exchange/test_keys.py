"""What a key may do, from where, and how often the same request counts: failure modes 10 and 11."""

import base64
import time
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typer.testing import CliRunner

from exchange_service import commands
from exchange_service.authentication import ReplayMemory, SignedTime, sign
from exchange_service.client import ExchangeClient
from exchange_service.domain.refusals import TOO_LATE
from exchange_service.errors import BinanceRefusal
from exchange_service.funds.commands import await_faucet

ORDER = "symbol=TAOBTC&side=BUY&type=LIMIT&timeInForce=GTC&price=0.004&quantity=1"
HERE = "127.0.0.1"
REJECTED = {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}


def signed(secret: str, text: str = "") -> str:
    text = f"{text}&timestamp={time.time_ns() // 1_000_000}".lstrip("&")
    return f"{text}&signature={sign(secret, text.encode())}"


def send(box: Any, key: Any, method: str, path: str, text: str = "") -> Any:
    headers = {"X-MBX-APIKEY": key["api_key"]}
    return box.http.request(method, f"{path}?{signed(key['secret'], text)}", headers=headers)


def open_key(box: Any, name: str, **wanted: Any) -> Any:
    answer = box.http.post("/exchange/v1/keys", json={"name": name, "funded": True, **wanted})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_key_can_do_what_it_is_for(box: Any) -> None:
    reader = open_key(box, "reader", permissions=["read"])
    assert send(box, reader, "GET", "/api/v3/account").status_code == 200
    refused = send(box, reader, "POST", "/api/v3/order", ORDER)
    assert (refused.status_code, refused.json()) == (401, REJECTED)
    trader = open_key(box, "trader", permissions=["read", "trade"])
    assert send(box, trader, "POST", "/api/v3/order", ORDER).status_code == 200
    asked = "coin=TAO&amount=1&address=x"
    refused = send(box, trader, "POST", "/sapi/v1/capital/withdraw/apply", asked)
    assert (refused.status_code, refused.json()) == (401, REJECTED)


def test_a_key_works_from_its_addresses_only(box: Any) -> None:
    elsewhere = open_key(box, "elsewhere", addresses=["192.0.2.1"])
    refused = send(box, elsewhere, "GET", "/api/v3/account")
    assert (refused.status_code, refused.json()) == (401, REJECTED)
    wrong = box.http.post("/exchange/v1/keys", json={"name": "x", "addresses": ["here"]})
    assert wrong.status_code == 422
    wrong = box.http.post("/exchange/v1/keys", json={"name": "x", "public_key": "none"})
    assert wrong.json()["error"]["code"] == "Malformed"


def test_more_keys_and_their_end(start_box: Any) -> None:
    path = "/exchange/v1/account/keys"
    with start_box() as box:
        owner = open_key(box, "owner", permissions=["read", "trade"])
        added = send(box, owner, "POST", path, "label=bot").json()
        assert send(box, added, "GET", "/api/v3/account").status_code == 200
        beyond = send(box, owner, "POST", path, "permissions=withdraw")
        assert beyond.json()["error"]["code"] == "Forbidden"
        lines = send(box, owner, "GET", path).json()
        assert [(line["label"], line["permissions"]) for line in lines] == [
            ("owner", ["read", "trade"]),
            ("bot", ["read", "trade"]),
        ]
        revoked = send(box, owner, "DELETE", path, f"apiKey={added['api_key']}")
        assert revoked.json() == {"revoked": added["api_key"]}
        assert send(box, added, "GET", "/api/v3/account").json() == REJECTED
        again = send(box, owner, "DELETE", path, f"apiKey={added['api_key']}")
        assert again.status_code == 404
    with start_box() as box:
        assert send(box, added, "GET", "/api/v3/account").json() == REJECTED
        assert send(box, owner, "GET", "/api/v3/account").status_code == 200


def test_a_key_revokes_none_that_may_do_more(box: Any) -> None:
    path = "/exchange/v1/account/keys"
    owner = open_key(box, "owner")
    bot, other = (send(box, owner, "POST", path, f"label={name}").json() for name in "ab")
    refused = send(box, bot, "DELETE", path, f"apiKey={owner['api_key']}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "Forbidden")
    assert send(box, owner, "GET", "/api/v3/account").status_code == 200
    # One that may do as much, even itself; and the owner's may revoke all.
    for revoker, revoked in ((bot, other), (bot, bot), (owner, owner)):
        answer = send(box, revoker, "DELETE", path, f"apiKey={revoked['api_key']}")
        assert answer.status_code == 200, answer.text
    stranger = open_key(box, "stranger")
    unknown = send(box, stranger, "DELETE", path, f"apiKey={owner['api_key']}")
    assert unknown.status_code == 404


def test_a_key_bound_to_addresses_makes_none_for_others(box: Any) -> None:
    path = "/exchange/v1/account/keys"
    bound = open_key(box, "bound", addresses=["192.0.2.1", HERE])
    beyond = send(box, bound, "POST", path, "addresses=203.0.113.9")
    assert (beyond.status_code, beyond.json()["error"]["code"]) == (403, "Forbidden")
    for text in ("label=as-it-is", f"addresses={HERE}"):
        assert send(box, bound, "POST", path, text).status_code == 201
    lines = send(box, bound, "GET", path).json()
    assert [line["addresses"] for line in lines] == [[HERE, "192.0.2.1"]] * 2 + [[HERE]]


def test_the_same_bytes_place_one_order(box: Any) -> None:
    key = open_key(box, "ann")
    headers, query = {"X-MBX-APIKEY": key["api_key"]}, signed(key["secret"], ORDER)
    assert box.http.post(f"/api/v3/order?{query}", headers=headers).status_code == 200
    for again in (f"/api/v3/order?{query}", f"/api/v3/order?{query.replace('&', '&', 1)}"):
        answer = box.http.post(again, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, -1021)
        assert answer.json()["msg"].startswith("Timestamp for this request")
    assert len(send(box, key, "GET", "/api/v3/openOrders").json()) == 1


def test_the_same_order_signed_in_other_letters_is_still_the_same(box: Any) -> None:
    key = open_key(box, "ann")
    headers, query = {"X-MBX-APIKEY": key["api_key"]}, signed(key["secret"], ORDER)
    assert box.http.post(f"/api/v3/order?{query}", headers=headers).status_code == 200
    head, signature = query.split("&signature=")
    for written in (signature.upper(), signature.title()):
        answer = box.http.post(f"/api/v3/order?{head}&signature={written}", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, -1021)


def test_bits_that_say_nothing_make_no_other_signature_of_one(box: Any) -> None:
    private = Ed25519PrivateKey.generate()
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    key = open_key(box, "ann", public_key=pem.decode())
    text = f"{ORDER}&timestamp={time.time_ns() // 1_000_000}"
    signature = base64.b64encode(private.sign(text.encode())).decode()
    # Of the last letter's six bits only the first two mean anything.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = signature[:-3] + alphabet[alphabet.index(signature[-3]) + 1] + "=="
    assert base64.b64decode(other) == base64.b64decode(signature)
    codes = []
    for written in (signature, other):
        query = f"{text}&signature={quote(written, safe='')}"
        headers = {"X-MBX-APIKEY": key["api_key"]}
        codes.append(box.http.post(f"/api/v3/order?{query}", headers=headers).json().get("code"))
    assert codes == [None, -1021]


def test_a_restart_forgets_no_order_that_was_signed_before_it(start_box: Any) -> None:
    with start_box() as box:
        key = open_key(box, "ann")
        order = signed(key["secret"], f"{ORDER}&recvWindow=60000")
        question = signed(key["secret"], "recvWindow=60000")
        headers = {"X-MBX-APIKEY": key["api_key"]}
        assert box.http.post(f"/api/v3/order?{order}", headers=headers).status_code == 200
        again = "/exchange/v1/account/keys?" + signed(key["secret"], "recvWindow=60000")
        assert box.http.post(again, headers=headers).status_code == 201
    with start_box() as box:
        for path in (f"/api/v3/order?{order}", again):
            answer = box.http.post(path, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (400, -1021)
            assert answer.json()["msg"] == TOO_LATE.message
        assert len(send(box, key, "GET", "/api/v3/openOrders").json()) == 1
        # What is only read may still be read, and who signs now is served at once.
        assert box.http.get(f"/api/v3/account?{question}", headers=headers).status_code == 200
        assert send(box, key, "POST", "/api/v3/order", ORDER).status_code == 200


def test_what_is_read_may_be_read_again(box: Any) -> None:
    key = open_key(box, "ann")
    query, headers = signed(key["secret"]), {"X-MBX-APIKEY": key["api_key"]}
    for _ in range(2):
        assert box.http.get(f"/api/v3/account?{query}", headers=headers).status_code == 200


def test_a_key_signs_for_nobody_else(box: Any) -> None:
    ann, bob = open_key(box, "ann"), open_key(box, "bob")
    mixed = {"api_key": ann["api_key"], "secret": bob["secret"]}
    assert send(box, mixed, "GET", "/api/v3/account").json()["code"] == -1022


def test_signatures_are_forgotten_once_they_are_too_old_to_be_used() -> None:
    memory = ReplayMemory()
    for second in range(100):
        time = SignedTime(second * 1_000, second * 1_000 + 5_000)
        memory.check_new("key", b"%d" % second, time, second * 1_000)
    assert len(memory._by_second) < 10
    with pytest.raises(BinanceRefusal):
        memory.check_new("key", b"99", SignedTime(99_000, 104_000), 99_500)


def test_a_key_is_shown_before_its_coins_are_waited_for(exchange: str) -> None:
    new = ["key", "new", "--url", exchange, "--funded", "--name"]

    good = CliRunner().invoke(commands.exchange_app, [*new, "good"])
    elsewhere = CliRunner().invoke(commands.exchange_app, [*new, "far", "--address", "203.0.113.9"])

    assert (good.exit_code, good.stderr) == (0, "")
    assert elsewhere.exit_code == 1
    for told in (good, elsewhere):
        assert "secret   " in told.stdout


def test_a_faucet_that_gave_nothing_is_told(
    exchange: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with ExchangeClient(exchange) as public:
        await_faucet(exchange, public.create_key("poor"))

    assert "the faucet gave nothing" in capsys.readouterr().err
