"""Which models there are: their price, context and speed, and who serves them."""

from typing import Any

from fastapi import APIRouter, Request

from validator_service.domain.routing import Health
from validator_service.gateway.context import Gateway
from validator_service.gateway.directory import NETWORK_MODELS, SERVER_PREFIX, KnownServer
from validator_service.gateway.errors import ModelNotFound
from validator_service.gateway.paying import gateway_of

router = APIRouter(prefix="/v1", tags=["inference"])


@router.get("/models")
async def list_models(request: Request) -> dict[str, Any]:
    gateway = gateway_of(request)
    await gateway.directory.refresh()
    return {"object": "list", "data": describe_models(gateway)}


@router.get("/models/{model:path}")
async def show_model(model: str, request: Request) -> dict[str, Any]:
    gateway = gateway_of(request)
    await gateway.directory.refresh(model)
    for known in describe_models(gateway):
        if known["id"] == model:
            return known
    raise ModelNotFound(model)


def describe_models(gateway: Gateway) -> list[dict[str, Any]]:
    servers = sorted(gateway.directory.servers.values(), key=lambda server: -server.incentive)
    own = [
        describe(gateway, f"{SERVER_PREFIX}{server.uid}", server.name, [server])
        for server in servers
    ]
    return [*(describe(gateway, model, "network", servers) for model in NETWORK_MODELS), *own]


def describe(
    gateway: Gateway, model: str, owner: str, servers: list[KnownServer]
) -> dict[str, Any]:
    price = gateway.prices.of(model)
    contexts = [server.info.context_length for server in servers]
    return {
        "id": model,
        "object": "model",
        "created": 0,
        "owned_by": owner,
        "price_input_rao_per_million": str(price.input_rao),
        "price_output_rao_per_million": str(price.output_rao),
        "context_length": max(contexts, default=0),
        "served_by": [describe_server(gateway, server) for server in servers],
    }


def describe_server(gateway: Gateway, server: KnownServer) -> dict[str, Any]:
    """Return a Server with its speed as this gateway measured it; null before it was asked."""
    measured: Health | None = gateway.directory.seen.health.get(server.hotkey)
    return {
        "uid": server.uid,
        "name": server.name,
        "hotkey": server.hotkey,
        "model": server.info.model,
        "incentive": server.incentive,
        "first_token_seconds": measured and round(measured.first_seconds, 4),
        "tokens_per_second": measured and round(1 / max(measured.token_seconds, 1e-4), 1),
    }
