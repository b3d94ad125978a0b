"""What one can ask of the exchange's wallet."""

from typing import Final

from psycopg import Connection

from exchange_service.domain.commands import Asset, RequestWithdrawal
from exchange_service.domain.refusals import Reason
from exchange_service.errors import BinanceRefusal
from exchange_service.funds import repository
from exchange_service.funds.wallet import Wallet
from taonet.kit.errors import Malformed
from taonet.kit.keys import check_address

WITHDRAWAL_RAO_MAX: Final = 10**15
NO_NETWORK: Final = Reason(-4018, "This coin can't be deposited or withdrawn: it is test BTC.")
BAD_ADDRESS: Final = Reason(-4007, "The address is not an SS58 address; check it for errors.")
OWN_ADDRESS: Final = Reason(-4007, "The address is the exchange's own wallet.")
BAD_AMOUNT: Final = Reason(-4019, "The amount is below the minimum or above the maximum.")


class WrongWallet(RuntimeError):
    """The seed in the file is not the one whose addresses the database holds."""


def check_wallet(conn: Connection, wallet: Wallet) -> None:
    """Refuse to run on another seed: deposits would arrive where nobody can reach them."""
    view = repository.load_chain_view(conn)
    if view is not None and view.wallet_address != wallet.address:
        raise WrongWallet(
            f"the hot wallet is {view.wallet_address}, the seed file gives {wallet.address}; "
            "restore the file that belongs to this database"
        )


def find_deposit_address(conn: Connection, wallet: Wallet, account_id: int) -> str:
    """Return the account's deposit address, from now on watched for deposits."""
    address = wallet.deposit_address(account_id)
    repository.insert_deposit_address(conn, account_id, address)
    return address


def check_on_chain(asset: Asset) -> None:
    """Refuse a coin that no chain stands behind."""
    if asset is not Asset.TAO:
        raise BinanceRefusal(NO_NETWORK)


def check_withdrawal(request: RequestWithdrawal, wallet: Wallet) -> None:
    """Refuse a withdrawal that could not be paid, or would pay nobody."""
    check_on_chain(request.asset)
    if not 2 * request.fee <= request.amount <= WITHDRAWAL_RAO_MAX:
        raise BinanceRefusal(BAD_AMOUNT)
    try:
        check_address(request.address)
    except Malformed:
        raise BinanceRefusal(BAD_ADDRESS) from None
    if request.address == wallet.address:
        raise BinanceRefusal(OWN_ADDRESS)
