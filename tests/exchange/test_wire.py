"""The short way to a WebSocket: frames made once, their order kept, and what is refused."""

import asyncio
import json
import struct
import time
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from exchange_service.streams.connection import POLICY, MessageRate, serve
from exchange_service.streams.frames import frame_text
from exchange_service.streams.hub import QUEUE_MAX, Hub, Subscriber
from exchange_service.streams.wire import TOGETHER_MAX, Wire

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class HalfOpen:
    """A wire that takes messages while it is free, and notes them."""

    def __init__(self) -> None:
        self.is_free = True
        self.hear: Any = None
        self.written: list[bytes] = []

    def write(self, frame: bytes) -> None:
        self.written.append(frame)

    write_soon = write


@pytest.mark.parametrize(
    ("length", "head"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65_535, b"\x81\x7e\xff\xff"),
        (65_536, b"\x81\x7f" + struct.pack("!Q", 65_536)),
    ],
)
def test_a_frame_has_the_head_of_its_length(length: int, head: bytes) -> None:
    assert frame_text(b"x" * length) == head + b"x" * length


def test_order_is_kept_while_the_wire_is_taken_and_freed() -> None:
    async def come_and_go() -> list[str]:
        wire = HalfOpen()
        subscriber = Subscriber(wire)  # type: ignore[arg-type]
        queued: list[str] = []
        may_send = asyncio.Event()

        async def send(message: Any) -> None:
            await may_send.wait()
            queued.append(message["text"])
            wire.written.append(frame_text(message["text"].encode()))

        serving = asyncio.create_task(
            serve(asyncio.Event().wait, send, subscriber, print, MessageRate(5, 5))  # type: ignore[arg-type]
        )
        subscriber.say(b"1")
        wire.is_free = False
        subscriber.say(b"2")
        await asyncio.sleep(0.01)
        wire.is_free = True  # The second is still on its way: the third must not overtake it.
        subscriber.say(b"3")
        may_send.set()
        await asyncio.sleep(0.01)
        subscriber.say(b"4")
        serving.cancel()
        assert queued == ["2", "3"]
        return [frame[2:].decode() for frame in wire.written]

    assert asyncio.run(come_and_go()) == ["1", "2", "3", "4"]


def test_a_wire_that_stays_full_is_cut_off() -> None:
    async def flood() -> int:
        wire, codes, hub = HalfOpen(), [], Hub()
        wire.is_free = False
        subscriber = Subscriber(wire)  # type: ignore[arg-type]
        hub.subscribe(subscriber, "taobtc@trade")

        async def send(message: Any) -> None:
            if message["type"] == "websocket.send":
                await asyncio.Event().wait()
            codes.append(message["code"])

        serving = asyncio.create_task(
            serve(asyncio.Event().wait, send, subscriber, print, MessageRate(5, 5))  # type: ignore[arg-type]
        )
        await asyncio.sleep(0)
        for number in range(QUEUE_MAX + 2):
            hub.publish("taobtc@trade", {"t": number})
        await asyncio.wait_for(serving, 10)
        assert not wire.written
        return int(codes[0])

    assert asyncio.run(flood()) == POLICY


class Pipe(asyncio.Transport):
    """A transport that notes what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closing = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True


async def accept(scope: Any, receive: Any, send: Any) -> None:
    """An application that says nothing."""
    await receive()
    await send({"type": "websocket.accept"})
    await asyncio.Event().wait()


async def open_wires(count: int) -> list[tuple[Wire, Pipe]]:
    """Return wires of one server whose handshakes are over."""
    config = Config(accept, interface="asgi3", log_config=None, lifespan="off")
    state, shared = ServerState(), dict[str, Any]()
    opened = [(Wire(config, state, shared), Pipe()) for _ in range(count)]
    for wire, pipe in opened:
        wire.connection_made(pipe)
        wire.data_received(HANDSHAKE)
        while not pipe.written:
            await asyncio.sleep(0)
        pipe.written.clear()
    return opened


def test_what_one_turn_has_for_a_client_goes_out_in_one_write() -> None:
    async def answer() -> None:
        (one, pipe), (other, beside) = await open_wires(2)
        other.write(b"w")  # What goes to many does not wait, but for what came before it.
        for wire, frame in ((one, b"1"), (other, b"x"), (one, b"2")):
            wire.write_soon(frame)
        one.write(b"3")
        assert (pipe.written, beside.written) == ([], [b"w"])
        await asyncio.sleep(0)
        assert (pipe.written, beside.written) == ([b"123"], [b"w", b"x"])
        for _ in range(TOGETHER_MAX + 1):
            one.write_soon(b"4")
        assert pipe.written[1:] == [b"4" * TOGETHER_MAX]
        await asyncio.sleep(0)
        assert pipe.written[2:] == [b"4"]

    asyncio.run(answer())


def test_nothing_follows_a_close_and_what_came_before_it_is_sent() -> None:
    async def close() -> None:
        ((wire, pipe),) = await open_wires(1)
        wire.write_soon(b"answer")
        wire.data_received(b"\x88\x82\0\0\0\0\x03\xe8")
        assert pipe.written == [b"answer", b"\x88\x02\x03\xe8"]
        wire.write_soon(b"too late")
        await asyncio.sleep(0)
        assert len(pipe.written) == 2

    asyncio.run(close())


def test_the_server_that_is_started_offers_the_wire(exchange: str) -> None:
    """No compression is agreed to, whatever a client offers: frames are the same for all."""
    with connect(exchange.replace("http", "ws") + "/ws/0", compression="deflate") as client:
        assert client.response is not None
        assert "Sec-WebSocket-Extensions" not in client.response.headers
        client.send(json.dumps({"id": 1, "method": "LIST_SUBSCRIPTIONS"}).encode())  # Binary.
        assert json.loads(client.recv(10)) == {"result": [], "id": 1}
        client.send(iter(['{"id": 2, "method":', ' "LIST_SUBSCRIPTIONS"}']))  # In pieces.
        assert json.loads(client.recv(10)) == {"result": [], "id": 2}


def test_frames_are_heard_however_they_arrive(exchange: str) -> None:
    """Byte by byte, two together, in pieces with a ping between, and after one that is long."""
    with connect(exchange.replace("http", "ws") + "/ws/0") as client:

        def ask(number: int) -> bytes:
            text = json.dumps({"id": number, "method": "LIST_SUBSCRIPTIONS"}).encode()
            mask = b"\x01\x02\x03\x04"
            masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(text))
            return bytes((0x81, 0x80 | len(text))) + mask + masked

        for byte in ask(1):
            client.socket.sendall(bytes((byte,)))
            time.sleep(0.001)
        client.socket.sendall(ask(2) + ask(3))
        assert [json.loads(client.recv(10))["id"] for _ in range(3)] == [1, 2, 3]
        assert client.ping().wait(10)
        client.send('{"id": 4, "method": "LIST_SUBSCRIPTIONS", "x": "%s"}' % ("y" * 300))
        client.send('{"id": 5, "method": "LIST_SUBSCRIPTIONS", "x": "%s"}' % ("y" * 70_000))
        client.socket.sendall(ask(6))
        assert [json.loads(client.recv(10))["id"] for _ in range(3)] == [4, 5, 6]


def test_a_text_inside_another_ends_the_connection(exchange: str) -> None:
    with connect(exchange.replace("http", "ws") + "/ws/0") as client:
        client.socket.sendall(b"\x01\x81\0\0\0\0{" + b"\x81\x81\0\0\0\0{")
        with pytest.raises(ConnectionClosedError) as ended:
            client.recv(10)
        assert ended.value.rcvd is not None
        assert ended.value.rcvd.code == 1002


def test_text_that_is_no_utf8_ends_the_connection(exchange: str) -> None:
    with connect(exchange.replace("http", "ws") + "/ws/0") as client:
        client.send(b"\xff\xfe", text=True)
        with pytest.raises(ConnectionClosedError) as ended:
            client.recv(10)
        assert ended.value.rcvd is not None
        assert ended.value.rcvd.code == 1007
