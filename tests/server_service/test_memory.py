"""A Server whose memory runs out, for real: it says so, and goes on."""

import asyncio
import resource

import httpx
import numpy as np
import psutil
import pytest
from tests.conftest import free_port
from tests.server_service.fake_chain import FakeChain
from tests.server_service.serving import Surroundings, wait_until
from tests.server_service.test_join import ended, is_ready, start

from server_service.client import NextPhrases, ServerAddress, ServerClient, ServerFailure
from server_service.starters import STARTER_MODELS
from taonet.kit.keys import load_hotkey

START_SECONDS = 240
LEFT_BYTES = 64 * 2**20
"""Less than one layer's numbers of a large question."""
LARGE, SMALL = np.full((64, 1000), 5), np.full((1, 8), 5)


def test_a_pass_too_large_for_the_memory_is_refused_and_the_next_is_answered(
    surroundings: Surroundings, chain: FakeChain
) -> None:
    port = free_port()
    options = ["--chain", surroundings.chain_url, "--model", str(STARTER_MODELS / "oak")]
    command = ["join", *options, "--name", "poor", "--port", str(port)]
    with ended(start(surroundings, *command, OMP_NUM_THREADS="1")) as process:
        wait_until(lambda: is_ready(f"http://127.0.0.1:{port}"), START_SECONDS)
        hotkey = load_hotkey(str(surroundings.wallets), "poor", "default").ss58_address
        address = ServerAddress(hotkey, "127.0.0.1", port)

        def ask(tokens: np.ndarray) -> NextPhrases:
            return asyncio.run(ask_once(surroundings, address, tokens))

        before = ask(SMALL)
        ends = psutil.Process(process.pid).memory_info().vms + LEFT_BYTES
        psutil.Process(process.pid).rlimit(resource.RLIMIT_AS, (ends, ends))
        with pytest.raises(ServerFailure) as refused:
            ask(LARGE)
        after = ask(SMALL)

        assert "too little memory" in refused.value.message
        np.testing.assert_array_equal(before.ids, after.ids)
        metrics = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        assert 'code="OutOfMemory",kind="text-causal-lm-next"' in metrics
        assert process.poll() is None


async def ask_once(
    surroundings: Surroundings, address: ServerAddress, tokens: np.ndarray
) -> NextPhrases:
    async with httpx.AsyncClient() as http:
        client = ServerClient(surroundings.caller, http)
        return await client.next_phrases(address, tokens, top_k=4, timeout_seconds=60)
