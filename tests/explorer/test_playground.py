from tests.explorer.conftest import Running
from tests.explorer.fake_network import GATEWAY_KEY

QUESTION = {"model": "taonet", "prompt": "Return a list of", "max_tokens": 8}
KEY = {"authorization": f"Bearer {GATEWAY_KEY}", "accept": "*/*"}


def test_the_answer_streams_through(explorer: Running) -> None:
    answer = explorer.browser.post("/playground/completions", json=QUESTION, headers=KEY)

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert '"text": "order."' in answer.text
    assert answer.text.endswith("data: [DONE]\n\n")


def test_a_conversation_is_answered_as_one(explorer: Running) -> None:
    messages = [{"role": "user", "content": "Return a list of"}]
    chat = {"model": "taonet", "messages": messages}

    answer = explorer.browser.post("/playground/completions", json=chat, headers=KEY)
    both = explorer.browser.post("/playground/completions", json={**QUESTION, **chat}, headers=KEY)
    neither = explorer.browser.post("/playground/completions", json={"model": "x"}, headers=KEY)

    assert '"content": "after "' in answer.text
    assert (both.status_code, neither.status_code) == (422, 422)


def test_the_gateways_refusal_reaches_the_person(explorer: Running) -> None:
    wrong = {**KEY, "authorization": "Bearer wrong"}

    answer = explorer.browser.post("/playground/completions", json=QUESTION, headers=wrong)

    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == "no such key"


def test_a_question_without_a_key_or_beyond_the_limits_goes_no_further(explorer: Running) -> None:
    no_key = explorer.browser.post(
        "/playground/completions", json=QUESTION, headers={"accept": "*/*"}
    )
    too_many = explorer.browser.post(
        "/playground/completions", json={**QUESTION, "max_tokens": 513}, headers=KEY
    )

    assert (no_key.status_code, too_many.status_code) == (401, 422)
    assert "taonet key new" in no_key.json()["error"]["message"]


def test_models_are_listed(explorer: Running) -> None:
    answer = explorer.browser.get("/playground/models", headers=KEY)

    assert answer.json()["data"][0]["id"] == "taonet"


def test_a_gateway_that_is_away_is_said(lonely_explorer: Running) -> None:
    answer = lonely_explorer.browser.post("/playground/completions", json=QUESTION, headers=KEY)

    assert answer.status_code == 503
    assert "127.0.0.1:9 does not answer" in answer.json()["error"]["message"]
