"""A few of the thousands of histories of `make simulate-faults`; and that they find faults."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.simulation import chain, exchange
from tests.simulation.chain import simulate_chain
from tests.simulation.exchange import simulate_exchange

from chain_service.domain.execution import Execution
from exchange_service.domain.custody import Custody

Core = Callable[[int], str]
CORES = (simulate_chain, simulate_exchange)
HISTORIES = 40


@pytest.mark.parametrize("core", CORES)
def test_every_history_keeps_all_promises(core: Core) -> None:
    for seed in range(HISTORIES):
        core(seed)


@pytest.mark.parametrize("core", CORES)
def test_a_seed_names_one_history(core: Core) -> None:
    assert core(3) == core(3) != core(4)


def test_orders_go_through_after_a_trouble_that_let_none_pass() -> None:
    """In this history the writing engine is frozen from the first second to the last of it."""
    simulate_exchange(1003903)


def finds_a_fault(core: Core) -> bool:
    for seed in range(HISTORIES):
        try:
            core(seed)
        except Exception:
            return True
    return False


def test_an_author_without_a_fence_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    commit = chain.Store.commit

    def commit_anything(store: chain.Store, fence: int, block: Any, now: float) -> bool:
        return commit(store, store.fence, block, now)

    monkeypatch.setattr(chain.Store, "commit", commit_anything)

    assert finds_a_fault(simulate_chain)


def test_a_transfer_that_makes_money_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    credit = Execution.credit

    def credit_more(run: Execution, address: str, amount_rao: int) -> None:
        credit(run, address, amount_rao + 1)

    monkeypatch.setattr(Execution, "credit", credit_more)

    assert finds_a_fault(simulate_chain)


def test_an_engine_without_a_fence_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    commit = exchange.Record.commit

    def commit_anything(record: Any, epoch: int, entries: Any, facts: Any, now: float) -> bool:
        return commit(record, record.epoch, entries, facts, now)

    monkeypatch.setattr(exchange.Record, "commit", commit_anything)

    assert finds_a_fault(simulate_exchange)


def test_a_deposit_that_may_count_twice_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Custody, "_claim", lambda custody, deposit: True)

    assert finds_a_fault(simulate_exchange)


def test_an_answer_before_the_commit_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    commit = exchange.Engine._commit

    def commit_late(engine: Any, entries: Any, facts: Any, answers: Any) -> None:
        for (command, caller), fact in answers:
            engine.world.send(caller, caller.hear, command, fact)
        engine.after(1.0, lambda: commit(engine, entries, facts, []))

    monkeypatch.setattr(exchange.Engine, "_commit", commit_late)

    assert finds_a_fault(simulate_exchange)
