"""The runbook of a ledger out of balance, carried out on a chain that was hurt as it says."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from tests.chain_service.conftest import RunningChain
from tests.chain_service.test_follower import ALICE, stand_still_together, wait_for_same_root
from tests.conftest import wait_until

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbooks" / "ledger-out-of-balance.md"


def statements(chain: RunningChain, follower: RunningChain) -> str:
    """Return the page's SQL, for these two schemas."""
    block = re.search(r"```sql\n(.+?)```", RUNBOOK.read_text(), re.DOTALL)
    assert block is not None
    ours, theirs = (str(urlsplit(each.database_url).username) for each in (chain, follower))
    return re.sub(r"\bchain\.", f"{ours}.", block[1].replace("chain_follower.", f"{theirs}."))


def test_a_state_that_was_altered_is_taken_from_a_follower(
    chain: RunningChain, follower: RunningChain, postgres_admin_url: str
) -> None:
    stand_still_together(follower, chain)
    height = chain.height()
    with psycopg.connect(chain.database_url) as conn:
        theft = "UPDATE account SET free_rao = free_rao + 7 WHERE address = %s"
        conn.execute(theft, (ALICE.ss58_address,))

    chain.start_author("refusing")
    assert chain.processes.pop("refusing").wait(20) == 3
    assert "THE LEDGER IS BROKEN" in chain.log("refusing")
    with psycopg.connect(postgres_admin_url, autocommit=True) as conn:
        conn.execute(statements(chain, follower).encode())
    chain.start_author()

    wait_until(lambda: chain.height() > height)
    wait_for_same_root(follower, chain)
