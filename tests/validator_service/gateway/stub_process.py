"""A stub Server as a process of its own: `python stub_process.py TOKENIZER SECRET PORT`."""

import sys

import numpy as np
import uvicorn
from bittensor_wallet import Keypair
from tests.validator_service.stand_ins import VOCABULARY, StubServer, StubWire
from tokenizers import Tokenizer

TEXT = "for name in names: print(name)\n" * 20
PIECE_SECONDS = 0.05


def main(tokenizer_path: str, secret: str, port: str) -> None:
    tokenizer = Tokenizer.from_file(tokenizer_path)
    stub = StubServer(
        table=np.full((VOCABULARY, VOCABULARY), 1 / VOCABULARY),
        skill=1.0,
        keypair=Keypair.create_from_uri(secret),
        text=tokenizer.encode(TEXT).ids,
        piece_seconds=PIECE_SECONDS,
    )
    uvicorn.run(StubWire(stub, tokenizer).app, port=int(port), log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])
