"""Wires a Server: its wallet, model, queue, chain and HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import redis
from bittensor_wallet import Wallet
from fastapi import FastAPI

from chain_service.client import ChainClient
from server_service.domain.admission import Rate
from server_service.domain.behaviour import HONEST, Conduct, check_allowed, parse_behaviour
from server_service.domain.membership import Announcement
from server_service.domain.requests import RequestLimits
from server_service.engine import ModelFacts
from server_service.loading import open_model
from server_service.membership import ChainWatch, Membership
from server_service.nonces import LocalNonces
from server_service.relaying import Relay
from server_service.routes import router
from server_service.schemas import RequestKind
from server_service.settings import ServerSettings
from server_service.state import Buckets, ServerState
from server_service.tokenizer import ModelUnreadable
from taonet.kit import web
from taonet.kit.errors import Refusal
from taonet.kit.keys import load_hotkey
from taonet.kit.lifespans import CannotStart
from taonet.kit.logging import get_logger

TOP_K_MAX = 4096
ANSWER_NUMBERS_MAX = 8 * 2**20
"""32 MiB of float32."""
REDIS_SECONDS = 2.0

log = get_logger(__name__)


def create_app() -> FastAPI:
    settings = ServerSettings()
    app = web.create_app(
        "server",
        title="Taonet Server",
        log_level=settings.log_level,
        traces_endpoint=settings.traces_endpoint,
        lifespan=lifespan,
        checks={"model": lambda: check_model(app), "chain": lambda: check_chain(app)},
    )
    app.state.settings = settings
    app.include_router(router)
    return app


class Part(Protocol):
    """What lives as long as the application."""

    def start(self) -> None: ...
    def stop(self) -> None: ...


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Ready once the model is loaded; what cannot be loaded ends the process with its reason."""
    settings: ServerSettings = app.state.settings
    with ChainClient(settings.chain_url) as chain:
        try:
            state = await asyncio.to_thread(open_state, settings, chain)
        except (ModelUnreadable, Refusal, ValueError) as error:
            log.error("this Server cannot start", reason=str(error))
            raise CannotStart from error
        app.state.server = state
        membership = join_network(settings, state, chain)
        parts: list[Part] = [state.model, state.watch, membership]
        if state.learner:
            parts.append(state.learner)
        for part in parts:
            part.start()
        yield
        for part in reversed(parts):
            await asyncio.to_thread(part.stop)
        if state.relay:
            await state.relay.close()
        if not isinstance(state.nonces, LocalNonces):
            state.nonces.close()


def open_state(settings: ServerSettings, chain: ChainClient) -> ServerState:
    behaviour = parse_behaviour(settings.server_behaviour)
    if behaviour != HONEST:
        check_allowed(behaviour, chain.parameters().preset)
        log.warning("this Server misbehaves on purpose", behaviour=settings.server_behaviour)
    opened = open_model(settings, behaviour)
    watch = ChainWatch(chain)
    keypair = load_hotkey(settings.wallet_path, settings.wallet_name, settings.hotkey_name)
    relay = None
    if behaviour.conduct is Conduct.RELAY:
        relay = Relay(keypair, watch, behaviour.uid, opened.network.vocabulary_size)
    return ServerState(
        name=settings.server_name,
        keypair=keypair,
        model=opened.model,
        tokenizer=opened.network,
        watch=watch,
        nonces=open_nonces(settings.redis_url),
        buckets=Buckets(Rate(settings.server_rate_per_second, settings.server_rate_burst)),
        limits=set_limits(settings, opened.model.facts),
        requests=parse_requests(settings.server_requests),
        stake_floors=parse_stake_floors(settings),
        behaviour=behaviour,
        relay=relay,
        body_bytes_max=web.BODY_BYTES_MAX,
        learner=opened.make_learner() if settings.server_learn else None,
    )


def open_nonces(redis_url: str) -> redis.Redis | LocalNonces:
    if not redis_url:
        return LocalNonces()
    return redis.Redis.from_url(redis_url, socket_timeout=REDIS_SECONDS)


def set_limits(settings: ServerSettings, facts: ModelFacts) -> RequestLimits:
    return RequestLimits(
        batch_size=settings.server_batch_size,
        sequence_length=min(settings.server_sequence_length, facts.context_length),
        top_k=min(TOP_K_MAX, facts.vocabulary_size),
        new_tokens=settings.server_new_tokens,
        vocabulary_size=facts.vocabulary_size,
        answer_numbers=ANSWER_NUMBERS_MAX,
    )


def parse_requests(text: str) -> frozenset[RequestKind]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    return frozenset(RequestKind(name) for name in names) or frozenset(RequestKind)


def parse_stake_floors(settings: ServerSettings) -> dict[RequestKind, int]:
    """`kind=rao` pairs over one floor for all that they do not name."""
    floors = dict.fromkeys(RequestKind, settings.server_stake_floor_rao)
    for pair in filter(None, settings.server_stake_floors.split(",")):
        name, _, amount = pair.strip().partition("=")
        if not (amount.isascii() and amount.isdigit()):
            raise ValueError(f"{pair!r} is no stake floor; write text-causal-lm-next=1000000000")
        floors[RequestKind(name)] = int(amount)
    return floors


def join_network(settings: ServerSettings, state: ServerState, chain: ChainClient) -> Membership:
    path = str(Path(settings.wallet_path).expanduser())
    coldkey_ss58: str = Wallet(name=settings.wallet_name, path=path).coldkeypub.ss58_address
    return Membership(
        chain,
        state.watch,
        state.keypair,
        coldkey_ss58,
        Announcement(settings.server_axon_ip, settings.server_axon_port, settings.server_name),
        state.tokenizer.sha256,
        settings.server_heartbeat_blocks,
    )


def check_model(app: FastAPI) -> str | None:
    state: ServerState | None = getattr(app.state, "server", None)
    return None if state and state.model.alive else "a thread of the model is not running"


def check_chain(app: FastAPI) -> str | None:
    state: ServerState = app.state.server
    return state.watch.describe_problem()
