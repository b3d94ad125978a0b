"""LiteLLM, unmodified. It takes seconds to import, so a process of its own drives it."""

import json
import subprocess
import sys
from typing import Any

import pytest

TAO = 10**9
SCRIPT = """
import json, os, sys, warnings
warnings.simplefilter("ignore")
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm
url, key = sys.argv[1:]
asked = {"model": "openai/network/best", "api_base": url, "api_key": key, "max_retries": 0,
         "messages": [{"role": "user", "content": "Add."}], "max_tokens": 20}
whole = litellm.completion(**asked)
chunks = litellm.completion(**asked, stream=True)
streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
try:
    litellm.completion(**{**asked, "api_key": "sk-taonet-guess"})
except litellm.AuthenticationError as error:
    refused = error.status_code
print(json.dumps([whole.choices[0].message.content, streamed, whole.usage.total_tokens, refused]))
"""


@pytest.fixture
def server(make_server: Any, tokenizer: Any) -> Any:
    return make_server(incentive=0.5, text=tokenizer.encode(" return first + second").ids)


def test_it_completes_streams_and_knows_our_errors(server: Any, consumer: Any) -> None:
    consumer.pay(TAO)
    arguments = [f"{consumer.gateway.url}/v1", consumer.key.api_key]

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 0, done.stderr[-2000:]
    whole, streamed, tokens, refused = json.loads(done.stdout.splitlines()[-1])
    assert whole == streamed == "return first + second"
    assert tokens > 0
    assert refused == 401
