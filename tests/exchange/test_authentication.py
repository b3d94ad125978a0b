"""Signatures over the bytes as received, the clock, and texts to the letter."""

import time
from typing import Any

import pytest

from exchange_service.authentication import sign
from exchange_service.client import ExchangeRefusal

ORDER = "symbol=TAOBTC&side=BUY&type=LIMIT&timeInForce=GTC&price=0.004&quantity=1"


@pytest.fixture
def key(box: Any) -> Any:
    return box.public.create_key("ann", funded=True)


def stamped(text: str, offset_ms: int = 0) -> str:
    return f"{text}&timestamp={time.time_ns() // 1_000_000 + offset_ms}"


def send(box: Any, key: Any, method: str, path: str, query: str = "", body: str = "") -> Any:
    headers = {"X-MBX-APIKEY": key.api_key, "content-type": "application/json"}
    return box.http.request(method, f"{path}?{query}", content=body, headers=headers)


def refusal(answer: Any) -> tuple[int, int, str]:
    return answer.status_code, answer.json()["code"], answer.json()["msg"]


@pytest.mark.parametrize("place", ["query", "body", "both", "signature apart", "first"])
def test_the_signature_covers_query_and_body_as_they_came(box: Any, key: Any, place: str) -> None:
    text = stamped(ORDER)
    signature = "signature=" + sign(key.secret, text.encode())
    half = text.index("&price")
    query, body = {
        "query": (f"{text}&{signature}", ""),
        "body": ("", f"{text}&{signature}"),
        # No separator between the two: the signed text is their plain concatenation.
        "both": (text[:half], text[half + 1 :] + "&" + signature),
        "signature apart": (text, signature),
        "first": (f"{signature}&{text}", ""),
    }[place]
    if place == "both":
        signed = (text[:half] + text[half + 1 :]).encode()
        body = text[half + 1 :] + "&signature=" + sign(key.secret, signed)
    answer = send(box, key, "POST", "/api/v3/order", query, body)
    assert answer.status_code == 200, answer.text


def test_upper_case_hex_and_a_body_with_delete(box: Any, key: Any) -> None:
    text = stamped(ORDER)
    order = send(
        box,
        key,
        "POST",
        "/api/v3/order",
        f"{text}&signature={sign(key.secret, text.encode()).upper()}",
    ).json()
    text = stamped(f"symbol=TAOBTC&orderId={order['orderId']}")
    body = f"{text}&signature={sign(key.secret, text.encode())}"
    assert send(box, key, "DELETE", "/api/v3/order", "", body).json()["status"] == "CANCELED"


def test_a_changed_or_reordered_request_is_refused(box: Any, key: Any) -> None:
    text = stamped(ORDER)
    signature = sign(key.secret, text.encode())
    expected = (400, -1022, "Signature for this request is not valid.")
    changed = text.replace("quantity=1", "quantity=2")
    reordered = "&".join(reversed(text.split("&")))
    for forged in (changed, reordered):
        query = f"{forged}&signature={signature}"
        assert expected == refusal(send(box, key, "POST", "/api/v3/order", query))
    wrong = sign("0" * 64, text.encode())
    query = f"{text}&signature={wrong}"
    assert expected == refusal(send(box, key, "POST", "/api/v3/order", query))


@pytest.mark.parametrize(
    ("offset_ms", "window", "message"),
    [
        (0, "", None),
        (900, "", None),
        (1_500, "", "Timestamp for this request was 1000ms ahead of the server's time."),
        (-4_500, "", None),
        (-5_500, "", "Timestamp for this request is outside of the recvWindow."),
        (-5_500, "&recvWindow=6500.5", None),
        (-61_000, "&recvWindow=60000", "Timestamp for this request is outside of the recvWindow."),
        (0, "&recvWindow=60001", "recvWindow must be less than 60000."),
    ],
)
def test_the_window_of_time(
    box: Any, key: Any, offset_ms: int, window: str, message: str | None
) -> None:
    text = stamped("symbol=TAOBTC", offset_ms) + window
    query = f"{text}&signature={sign(key.secret, text.encode())}"
    answer = send(box, key, "GET", "/api/v3/openOrders", query)
    if message is None:
        assert answer.json() == []
    else:
        assert message == answer.json()["msg"]
        assert answer.json()["code"] in (-1021, -1131)


def test_keys_that_are_not_ours(box: Any, key: Any) -> None:
    text = stamped("")[1:]
    query = f"{text}&signature={sign(key.secret, text.encode())}"
    for api_key, expected in (
        ("a" * 64, (401, -2015, "Invalid API-key, IP, or permissions for action.")),
        ("short", (401, -2014, "API-key format invalid.")),
        ("", (401, -2014, "API-key format invalid.")),
    ):
        answer = box.http.get(f"/api/v3/account?{query}", headers={"X-MBX-APIKEY": api_key})
        assert expected == refusal(answer)


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("", -1102, "Mandatory parameter 'signature' was not sent, was empty/null, or malformed."),
        ("signature=1", -1102, "Mandatory parameter 'timestamp' was not sent"),
        ("signature=1&timestamp=yesterday", -1100, "Illegal characters found"),
        ("signature=1&timestamp=1&timestamp=2", -1101, "Duplicate values"),
        ("signature=%ff&timestamp=1", -1100, "Illegal characters"),
        ("signature=é&timestamp=1", -1021, "Timestamp"),
        ("&".join(f"p{n}=1" for n in range(70)), -1100, "Illegal characters"),
    ],
)
def test_requests_that_cannot_be_read(
    box: Any, key: Any, query: str, code: int, message: str
) -> None:
    status, seen, text = refusal(send(box, key, "GET", "/api/v3/account", query))
    assert (400, code) == (status, seen)
    assert text.startswith(message)


def test_what_is_not_there_is_said_in_json(box: Any) -> None:
    for path in ("/api/v3/nothing", "/sapi/v1/margin/order", "/api/"):
        answer = box.http.post(path)
        assert refusal(answer) == (404, -1020, "This operation is not supported.")
    wrong = box.http.get("/api/v3/depth?symbol=BTCUSDT")
    assert refusal(wrong) == (400, -1121, "Invalid symbol.")
    missing = box.http.get("/api/v3/depth")
    assert missing.json()["code"] == -1102
    interval = box.http.get("/api/v3/klines?symbol=TAOBTC&interval=7m")
    assert refusal(interval) == (400, -1120, "Invalid interval.")


def test_names_are_taken_once_and_secrets_are_in_no_table(box: Any, key: Any) -> None:
    again = box.http.post("/exchange/v1/keys", json={"name": "ann"})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "NameTaken")
    assert box.http.post("/exchange/v1/keys", json={"name": "a b"}).status_code == 422
    with box.http.app.state.pool.connection() as conn:
        rows = conn.execute("SELECT * FROM api_key").fetchall()
        journal = conn.execute("SELECT payload FROM journal").fetchall()
    assert key.secret not in f"{rows}{journal}"


def test_what_clients_look_up_beside_trading(box: Any) -> None:
    ann = box.trader("ann")
    assert box.http.get("/sapi/v1/spot/delist-schedule").json() == []
    assert ann._signed("GET", "/sapi/v1/account/status") == {"data": "Normal"}
    assert set(ann._signed("GET", "/sapi/v1/asset/assetDetail")) == {"TAO", "BTC"}
    (detail,) = ann._signed("GET", "/sapi/v1/asset/assetDetail", asset="TAO").values()
    assert detail["withdrawFee"] == "0.001000000"
    with pytest.raises(ExchangeRefusal, match="-1130"):
        ann._signed("GET", "/sapi/v1/asset/assetDetail", asset="GOLD")
