"""A Server that writes each text at a fixed pace: `python -m tests.bench.paced_server …`.

Its arguments are the tokenizer's file, the secret of its hotkey, and its port. Each token is due at
a time counted from the text's beginning: a machine of its own is not slowed by what its callers do.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import orjson
import uvicorn
from bittensor_wallet import Keypair
from fastapi import Request
from tests.validator_service.stand_ins import VOCABULARY, StubServer, StubWire
from tokenizers import Tokenizer

from server_service.schemas import GenerateRequest

TEXT = "for name in names: print(name)\n" * 60
TICK_SECONDS = 0.02


class PacedWire(StubWire):
    async def lines(self, request: Request, wanted: GenerateRequest) -> AsyncIterator[bytes]:
        seen, began = b"", time.monotonic()
        for number, token in enumerate(self.stub.text[: wanted.max_new_tokens]):
            if number:
                await asyncio.sleep(began + number * TICK_SECONDS - time.monotonic())
            piece: dict[str, Any] = {"token": token, "text": self.tokenizer.decode([token])}
            line = orjson.dumps({**piece, "logprob": -1.0, "top": []}) + b"\n"
            seen += line
            yield line
        yield self.end(request, seen, "length")


def main(tokenizer_path: str, secret: str, port: str) -> None:
    tokenizer = Tokenizer.from_file(tokenizer_path)
    stub = StubServer(
        table=np.full((VOCABULARY, VOCABULARY), 1 / VOCABULARY),
        skill=1.0,
        keypair=Keypair.create_from_uri(secret),
        text=tokenizer.encode(TEXT).ids,
    )
    uvicorn.run(PacedWire(stub, tokenizer).app, port=int(port), log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])
