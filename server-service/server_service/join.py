"""The commands `taonet server …`: `server_app` is the sub-application that the command line mounts.

`run` serves with what the environment and the options say. `join` first makes the wallet.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from server_service.settings import ServerSettings

server_app = typer.Typer(help="Serve a language model to the network.", no_args_is_help=True)

ModelOption = Annotated[
    str | None, typer.Option(help="A folder with a model in safetensors, or its name on the hub.")
]
NameOption = Annotated[str | None, typer.Option(help="What others call this Server.")]
ChainOption = Annotated[str | None, typer.Option(help="Where the chain answers.")]
RedisOption = Annotated[
    str | None, typer.Option(help="Redis or Valkey, for replicas of one hotkey.")
]
IpOption = Annotated[str | None, typer.Option(help="The address that others reach you at.")]
PortOption = Annotated[int | None, typer.Option(min=1, max=65535, help="The port to serve on.")]
WalletOption = Annotated[str | None, typer.Option(help="The wallet's name.")]
LearnOption = Annotated[
    bool | None, typer.Option("--learn", help="Learn from the train split while serving.")
]
BehaviourOption = Annotated[
    str | None, typer.Option(help="See `docs/interfaces.md`; honest by default.")
]


@server_app.command()
def run(
    model: ModelOption = None,
    name: NameOption = None,
    chain: ChainOption = None,
    redis: RedisOption = None,
    ip: IpOption = None,
    port: PortOption = None,
    wallet: WalletOption = None,
    behaviour: BehaviourOption = None,
    learn: LearnOption = None,
) -> None:
    """Serve with an existing wallet. Whatever is left out comes from the environment."""
    export(
        SERVER_MODEL=model,
        SERVER_NAME=name,
        CHAIN_URL=chain,
        REDIS_URL=redis,
        SERVER_AXON_IP=ip,
        SERVER_AXON_PORT=port,
        WALLET_NAME=wallet,
        SERVER_BEHAVIOUR=behaviour,
        SERVER_LEARN=learn,
    )
    serve()


@server_app.command()
def join(
    chain: Annotated[str, typer.Option(help="Where the chain answers.")],
    model: Annotated[str, typer.Option(help="A folder with a model, or its name on the hub.")],
    name: Annotated[str, typer.Option(help="What others call this Server, and its wallet.")],
    redis: RedisOption = None,
    ip: IpOption = None,
    port: PortOption = None,
    wallet: WalletOption = None,
    learn: LearnOption = None,
) -> None:
    """Join a network: make or load a wallet, register by work, announce, serve."""
    from taonet.kit.keys import ensure_wallet, given_password
    from taonet.kit.settings import WalletSettings

    export(WALLET_NAME=wallet or name)
    keys = WalletSettings()
    path = Path(keys.wallet_path).expanduser()
    made = ensure_wallet(path, keys.wallet_name, [keys.hotkey_name], given_password())
    typer.echo(f"wallet {keys.wallet_name} in {path}; its money belongs to ", nl=False)
    typer.echo(made.coldkeypub.ss58_address)
    run(model, name, chain, redis, ip, port, keys.wallet_name, None, learn)


def export(**options: object) -> None:
    """Options become the environment, which is all that `create_app` reads."""
    for name, value in options.items():
        if value is not None:
            os.environ[f"TAONET_{name}"] = str(value)


def serve() -> None:
    """Until SIGTERM: then no new requests are taken, those in flight are finished, and exit 0."""
    # Before torch is loaded: its threads would outnumber the processors that Servers share.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    settings = read_settings()
    import uvicorn

    from server_service.app import create_app
    from server_service.memory import return_large_buffers
    from server_service.patience import PatientProtocol

    return_large_buffers()
    # uvicorn sends itself the signal again once it has drained; by then it means success.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(
        create_app,
        factory=True,
        host=settings.server_host,
        port=settings.server_port or settings.server_axon_port,
        http=PatientProtocol,
        log_config=None,
        timeout_graceful_shutdown=settings.server_drain_seconds,
    )


def read_settings() -> ServerSettings:
    try:
        return ServerSettings()
    except ValidationError as error:
        lacking = ", ".join(f"TAONET_{problem['loc'][0]}".upper() for problem in error.errors())
        raise typer.BadParameter(f"missing or wrong: {lacking}") from None
