"""
Why the chain says no, under the names that the original chain uses.

    Refusal
    ├── NotRegistered, AlreadyRegistered, InvalidWorkBlock, InvalidDifficulty, InvalidSeal, …
    ├── WeightVecNotEqualSize, DuplicateUids, InvalidUid, MaxWeightExceeded, …
    └── WrongNonce, Expired, …                the envelope, not the call

A refused call changes nothing but its signer's nonce and fee.
"""

from taonet.kit.errors import Malformed, NotFound, Refusal, TooMany


class InvalidParameters(Malformed):
    """A genesis with such parameters can't be."""


class UnknownCall(Malformed):
    """No call has this name."""


class WrongGenesis(Refusal):
    """Signed for another chain."""


class WrongNonce(Refusal):
    """Not this account's next number."""


class Expired(Refusal):
    """Its last valid block has passed."""


class ValidTooLong(Refusal):
    """It would stay valid for longer than the chain keeps it waiting."""


class UnknownSigner(Refusal):
    """Neither money nor a neuron stands behind this key."""


class FollowsOnly(Refusal):
    """Extrinsics are taken by the chain that this one follows."""

    status = 421


class MempoolFull(TooMany):
    """More are waiting than the chain keeps."""


class NoSuchBlock(NotFound):
    pass


class BlockNotKept(NotFound):
    """The chain has this block; this node began later, from a snapshot."""


class NoSuchExtrinsic(NotFound):
    pass


class NoSuchNeuron(NotFound):
    pass


class NoSuchAccount(NotFound):
    pass


class InsufficientBalance(Refusal):
    """Less free money than the transfer and its fee."""


class ExistentialDeposit(Refusal):
    """An account would be left with less than the existential deposit."""


class KeepAlive(Refusal):
    """The sender would be left with less than the existential deposit."""


class TransferToSelf(Refusal):
    pass


class ZeroAmount(Malformed):
    pass


class NotRegistered(Refusal):
    pass


class AlreadyRegistered(Refusal):
    pass


class InvalidWorkBlock(Refusal):
    """The work is on a block that is not one of the last three."""


class WorkRepeated(Refusal):
    """This seal has registered a neuron already."""


class InvalidDifficulty(Refusal):
    """The seal is right, and not low enough."""


class InvalidSeal(Refusal):
    """The seal is not the hash of this block, hotkey and nonce."""


class ToManyRegistrationsThisBlock(Refusal):
    """The original's own spelling."""


class NotEnoughStaketoWithdraw(Refusal):
    """The original's own spelling."""


class NotEnoughBalanceToStake(Refusal):
    pass


class NonAssociatedColdKey(Refusal):
    """The hotkey belongs to another coldkey."""


class WeightVecNotEqualSize(Malformed):
    pass


class DuplicateUids(Malformed):
    pass


class InvalidUid(Refusal):
    pass


class NotSettingEnoughWeights(Refusal):
    pass


class MaxWeightExceeded(Refusal):
    pass


class SettingWeightsTooFast(Refusal):
    pass


class IncorrectWeightVersionKey(Refusal):
    pass


class NoWeightsCommitFound(Refusal):
    pass


class InvalidRevealCommitHashNotMatch(Refusal):
    pass


class RevealTooEarly(Refusal):
    pass


class InvalidIpAddress(Malformed):
    pass


class InvalidPort(Malformed):
    pass


class HotKeyNotDelegate(Refusal):
    pass


class HotKeyAlreadyDelegate(Refusal):
    pass


class DelegateTakeTooHigh(Refusal):
    pass


class BatchInBatch(Malformed):
    pass
