"""The audit of the gateway's books goes on, whatever happens to one look."""

import asyncio
from typing import Any

import pytest
from structlog.testing import CapturingLogger

from chain_service.client import ChainUnavailable
from taonet.kit.metrics import AUDIT_FAULTS, AUDIT_TIME
from validator_service.app import auditing
from validator_service.payouts import audit
from validator_service.payouts.audit import Auditor, Books, describe
from validator_service.payouts.schemas import AuditView

SEED = "5e" * 32
BOOKS = Books(sides={"account:1": 700, "chain": -700}, problems=[], addresses=[], moving=[])


class Scripted(Auditor):
    """Its audits end as told, one after the other; the last one again and again."""

    def __init__(self, *ends: AuditView | Exception) -> None:
        nobody: Any = None
        super().__init__(nobody, nobody, SEED)
        self.ends = list(ends)

    async def audit(self) -> AuditView:
        end = self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]
        if isinstance(end, Exception):
            raise end
        return end


async def keep_for(auditor: Auditor, seconds: float) -> int:
    """Have it look for a while; return how many tasks are left then."""
    async with auditing(auditor):
        await asyncio.sleep(seconds)
    return len(asyncio.all_tasks()) - 1


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> CapturingLogger:
    """What the auditor says, who is in a hurry here."""
    log = CapturingLogger()
    monkeypatch.setattr(audit, "log", log)
    monkeypatch.setattr(audit, "SHOWN_SECONDS", 0.01)
    return log


def test_an_unknown_error_is_told_and_the_next_look_comes(log: CapturingLogger) -> None:
    AUDIT_TIME.labels("gateway_chain").set(0)
    sound = describe(BOOKS, 700, 0, "treasury")
    mistake = ZeroDivisionError("nobody thought of it")

    left = asyncio.run(keep_for(Scripted(mistake, mistake, ChainUnavailable("away"), sound), 0.3))

    assert [call.method_name for call in log.calls] == ["exception", "exception", "warning"]
    assert AUDIT_TIME.labels("gateway_chain")._value.get() > 0
    assert left == 0


def test_faults_are_told_and_the_looking_goes_on(log: CapturingLogger) -> None:
    short, sound = (describe(BOOKS, rao, 0, "treasury") for rao in (600, 700))

    asyncio.run(keep_for(Scripted(short), 0.1))

    assert len(log.calls) > 1
    assert log.calls[0].kwargs["problems"] == ["the books have 100 rao more than the chain"]
    assert AUDIT_FAULTS.labels("gateway_chain")._value.get() == 1
    asyncio.run(keep_for(Scripted(sound), 0.1))
    assert AUDIT_FAULTS.labels("gateway_chain")._value.get() == 0
