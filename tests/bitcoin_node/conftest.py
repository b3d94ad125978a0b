"""A regtest node on a real Postgres, mined by hand."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from bitcoin_node.app import create_app
from bitcoin_node.settings import NodeSettings

LOGIN = ("taonet", "secret")


class RpcFailure(Exception):
    """An error that the node answered with."""


class Node:
    """Calls by name: `node.getblockcount()`."""

    def __init__(self, http: TestClient) -> None:
        self.http = http

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(*params: Any) -> Any:
            body = {"jsonrpc": "1.0", "id": 1, "method": method, "params": list(params)}
            answer = self.http.post("/", json=body, auth=LOGIN).json()
            if answer["error"]:
                raise RpcFailure(f"{answer['error']['code']}: {answer['error']['message']}")
            return answer["result"]

        return call

    def mine(self, count: int = 1) -> list[str]:
        hashes: list[str] = self.generatetoaddress(count, self.getnewaddress())
        return hashes


@pytest.fixture
def node_settings(database: Callable[[str], str]) -> NodeSettings:
    return NodeSettings(
        database_url=database("bitcoin_node"),
        bitcoin_rpc_password=LOGIN[1],
        bitcoin_block_seconds=0,
    )


@pytest.fixture
def node(node_settings: NodeSettings) -> Iterator[Node]:
    with TestClient(create_app(node_settings)) as http:
        yield Node(http)
