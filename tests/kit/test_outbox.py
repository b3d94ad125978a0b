import threading
from dataclasses import dataclass

import pytest
import redis
from tests.streams import Event, read_group

from taonet.kit import db, outbox
from taonet.kit.exposition import Exposition


@dataclass(frozen=True)
class BookSold:
    title: str


def test_a_fact_arrives_once_it_is_committed(bookshop_url: str, redis_url: str) -> None:
    heard: list[Event] = []
    with db.open_pool(bookshop_url) as pool, redis.Redis.from_url(redis_url) as client:
        with db.begin(pool) as conn:
            outbox.record(conn, "shop.sales", BookSold("dune"))
        with db.begin(pool) as conn:
            assert outbox.relay_once(conn, client) == 1

        assert read_group(client, "shop.sales", "bookkeeping", heard.append) == 1

    assert [(event.kind, event.body) for event in heard] == [("BookSold", {"title": "dune"})]


def test_a_rolled_back_fact_is_never_told(bookshop_url: str, redis_url: str) -> None:
    with db.open_pool(bookshop_url) as pool, redis.Redis.from_url(redis_url) as client:

        def sell_and_fail() -> None:
            with db.begin(pool) as conn:
                outbox.record(conn, "shop.sales", BookSold("dune"))
                raise RuntimeError("changed our mind")

        with pytest.raises(RuntimeError):
            sell_and_fail()

        with db.begin(pool) as conn:
            assert outbox.relay_once(conn, client) == 0


def test_what_a_consumer_failed_on_is_delivered_again(bookshop_url: str, redis_url: str) -> None:
    with db.open_pool(bookshop_url) as pool, redis.Redis.from_url(redis_url) as client:
        with db.begin(pool) as conn:
            outbox.record(conn, "shop.sales", BookSold("dune"))
        with db.begin(pool) as conn:
            outbox.relay_once(conn, client)

        def fail(event: Event) -> None:
            raise RuntimeError("killed")

        with pytest.raises(RuntimeError):
            read_group(client, "shop.sales", "bookkeeping", fail)

        pending = client.xpending("shop.sales", "bookkeeping")
        assert pending["pending"] == 1


def test_the_relay_waits_for_a_store_that_is_away(bookshop_url: str) -> None:
    stop = threading.Event()
    with db.open_pool(bookshop_url) as pool, redis.Redis(port=1) as nowhere:
        with db.begin(pool) as conn:
            outbox.record(conn, "shop.sales", BookSold("dune"))
        thread = threading.Thread(target=outbox.relay_until, args=(stop, pool, nowhere))
        thread.start()
        stop.wait(0.3)
        alive = thread.is_alive()
        stop.set()
        thread.join(5)

        with db.begin(pool) as conn:
            kept, seconds = outbox.measure_unsent(conn)
            outbox.show_unsent(conn, page := Exposition())

    assert (alive, kept) == (True, 1)
    assert 0.2 < seconds < 60
    assert "\ntaonet_outbox_unsent_events 1\n" in str(page), "seen while Redis is away"
