"""The trading floor: what stands behind both doors for orders, the gate and the WebSocket API."""

from typing import NamedTuple

from exchange_service.authentication import Keyring
from exchange_service.engine import Engine
from exchange_service.limits import Limits
from exchange_service.switch.operations import Switch


class Floor(NamedTuple):
    """What each order asks for, found at once; it lives as long as the application runs."""

    limits: Limits
    keyring: Keyring
    switch: Switch
    engine: Engine
