"""The fake network's past: what its chain tells of blocks, accounts, payouts and weights."""

from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from tests.explorer.fake_network import (
    ALICE,
    BLOCKS_PER_STEP,
    SERVERS,
    FakeNetwork,
    address_of,
    hash_of,
)

from chain_service import schemas
from chain_service.events import Paid, Transferred, WeightsSet
from taonet.kit.money import RAO_PER_TAO


def summarise(network: FakeNetwork, height: int) -> schemas.BlockSummary:
    block = network.block(height)
    return schemas.BlockSummary(
        height=height,
        block_hash=block.header.block_hash,
        time_ms=block.header.time_ms,
        extrinsics=len(block.extrinsics),
        events=len(block.events),
        paid_rao=sum(e.amount_rao for e in block.events if isinstance(e, Paid)),
        issuance_rao=height * RAO_PER_TAO,
    )


def list_payouts(network: FakeNetwork, newest: int, limit: int) -> list[schemas.Payout]:
    last = min(newest, network.height) // BLOCKS_PER_STEP * BLOCKS_PER_STEP
    paid = [n.emission_rao for n in network.metagraph().neurons]
    return [
        schemas.Payout(
            height=height,
            time_ms=network.time_ms(height),
            issuance_rao=height * RAO_PER_TAO,
            uids=list(range(len(paid))),
            amounts_rao=paid,
        )
        for height in range(last, max(last - limit * BLOCKS_PER_STEP, 0), -BLOCKS_PER_STEP)
    ]


def tell_weights(network: FakeNetwork) -> list[schemas.WeightRow]:
    """Both Validators rate all Servers, the second a little otherwise."""
    rows = []
    for uid, tilt in ((4, 0.0), (5, 0.1)):
        shares = [share + tilt * (0.25 - share) for _, share in SERVERS]
        weights = [(server, int(share * (2**32 - 1))) for server, share in enumerate(shares)]
        rows.append(schemas.WeightRow(uid=uid, weights=weights))
    return rows


def find_whole(network: FakeNetwork, extrinsic_hash: str) -> schemas.PlacedExtrinsic | None:
    for height in range(5, network.height + 1, 5):
        for index, item in enumerate(network.extrinsics(height)):
            if item.hash == extrinsic_hash:
                return schemas.PlacedExtrinsic(
                    **item.model_dump(),
                    height=height,
                    index=index,
                    time_ms=network.time_ms(height),
                    events=[WeightsSet(height=height, index=0, extrinsic_index=0, uid=4)],
                )
    return None


def list_signed(
    network: FakeNetwork, before: tuple[int, int], limit: int
) -> list[schemas.SignedLine]:
    lines = [
        schemas.SignedLine(
            hash=item.hash,
            height=height,
            index=index,
            time_ms=network.time_ms(height),
            status=item.status,
            error=item.error,
            fee_rao=item.fee_rao,
            call=item.extrinsic.call,
            arguments=None,
        )
        for height in range(network.height // 5 * 5, 0, -5)
        for index, item in reversed(list(enumerate(network.extrinsics(height))))
    ]
    return [line for line in lines if (line.height, line.index) < before][:limit]


def list_came(network: FakeNetwork, before: tuple[int, int], limit: int) -> list[schemas.EventLine]:
    lines = [
        schemas.EventLine(
            time_ms=network.time_ms(height),
            event=Transferred(
                height=height,
                index=0,
                sender=address_of(1),
                receiver=ALICE,
                amount_rao=height * 1000,
            ),
        )
        for height in range(network.height, 0, -3)
    ]
    return [line for line in lines if (line.event.height, 0) < before][:limit]


def add_history(app: FastAPI, network: FakeNetwork) -> None:
    @app.get("/headers")
    def headers(to: int, limit: int) -> list[schemas.BlockSummary]:
        newest = min(to, network.height)
        return [summarise(network, height) for height in range(newest, max(newest - limit, 0), -1)]

    @app.get("/headers/{block_hash}")
    def header(block_hash: str) -> Any:
        for height in range(1, network.height + 1):
            if hash_of(height) == block_hash:
                return summarise(network, height)
        return refuse("NoSuchBlock", "the chain knows no block of this hash")

    @app.get("/payouts")
    def payouts(to: int, limit: int) -> list[schemas.Payout]:
        return list_payouts(network, to, limit)

    @app.get("/weights")
    def weights() -> list[schemas.WeightRow]:
        return tell_weights(network)

    @app.get("/extrinsics/{extrinsic_hash}/whole")
    def whole(extrinsic_hash: str) -> Any:
        found = find_whole(network, extrinsic_hash)
        return found or refuse("NoSuchExtrinsic", "the chain knows no extrinsic of this hash")

    @app.get("/neurons/{uid}")
    def neuron(uid: int) -> schemas.Neuron:
        bonds = [(0, 5 * RAO_PER_TAO), (1, RAO_PER_TAO)] if uid >= len(SERVERS) else []
        return network.metagraph().neurons[uid].model_copy(update={"bonds_rao": bonds})

    _add_accounts(app, network)


def _add_accounts(app: FastAPI, network: FakeNetwork) -> None:
    @app.get("/accounts/{address}")
    def account(address: str) -> schemas.Account:
        return schemas.Account(
            address=address, free_rao=3 * RAO_PER_TAO, stake_rao=RAO_PER_TAO, nonce=38
        )

    @app.get("/accounts/{address}/stakes")
    def stakes(address: str) -> list[schemas.StakeLine]:
        return [schemas.StakeLine(uid=0, stake_rao=RAO_PER_TAO)]

    @app.get("/accounts/{address}/extrinsics")
    def signed(limit: int, before: str = "1000000-0") -> list[schemas.SignedLine]:
        return list_signed(network, read_place(before), limit)

    @app.get("/accounts/{address}/events")
    def came(limit: int, before: str = "1000000-0") -> list[schemas.EventLine]:
        return list_came(network, read_place(before), limit)


def read_place(text: str) -> tuple[int, int]:
    height, index = text.split("-")
    return int(height), int(index)


def refuse(code: str, message: str) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message}}, 404)
