"""When a withdrawal may be paid: held if it is large, never beyond the limits of a day.

The desk that takes the request and the signer hold it to the same rules, each for itself.
"""

from typing import Final, NamedTuple

from exchange_service.domain.commands import Asset

DAY_MS: Final = 86_400_000


class PayoutRules(NamedTuple):
    """Amounts by asset, in rao and satoshi."""

    review: dict[Asset, int]
    """Above this, a withdrawal waits, and can be taken back while it does."""
    delay_ms: int
    """How long it waits; as long until a new address of an allow-list may be paid."""
    account_daily: dict[Asset, int]
    """What one account may ask for in 24 hours."""
    signer_daily: dict[Asset, int]
    """What the signer signs in 24 hours, for all accounts together."""


def calculate_due_ms(rules: PayoutRules, asset: Asset, amount: int, requested_ms: int) -> int:
    """Return from when on a withdrawal may be signed."""
    return requested_ms + (rules.delay_ms if amount > rules.review[asset] else 0)


class AllowList(NamedTuple):
    """Whom an account may pay."""

    enforced: bool
    changed_ms: int
    """When it was switched on or off."""
    added_ms: int | None
    """When the address in question was added; None: it is not on the list."""


def is_allowed(rules: PayoutRules, listed: AllowList, now_ms: int) -> bool:
    """Tell whether an address may be paid: on at once, off only after the delay.

    So that who steals a key for an hour can neither add an address nor switch the list off.
    """
    still_on = listed.enforced or (
        bool(listed.changed_ms) and now_ms < listed.changed_ms + rules.delay_ms
    )
    if not still_on:
        return True
    return listed.added_ms is not None and now_ms >= listed.added_ms + rules.delay_ms
