"""How a call's price is divided, and what sending the shares may cost."""

PERCENT = 100
ENVELOPE_BYTES = 600
"""Of an extrinsic without its transfers, generously."""
TRANSFER_BYTES = 200
"""Of one transfer in a batch, generously."""


def calculate_share_rao(cost_rao: int, take_percent: int) -> int:
    """Return the Server's part, ⌊cost · (100 − take) / 100⌋; part of a rao stays with the take."""
    return cost_rao * (PERCENT - take_percent) // PERCENT


def divide_cost_rao(cost_rao: int, servers: int) -> list[int]:
    """Return equal parts that add up to the cost; what can't be divided goes to the first."""
    part = cost_rao // servers
    return [cost_rao - part * (servers - 1), *[part] * (servers - 1)]


def estimate_fee_rao(transfers: int, transfer_fee_rao: int, fee_rao_per_byte: int) -> int:
    """Return at least what the chain charges for so many transfers in one extrinsic."""
    size = ENVELOPE_BYTES + transfers * TRANSFER_BYTES
    return transfers * transfer_fee_rao + size * fee_rao_per_byte
