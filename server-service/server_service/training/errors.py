"""What can be wrong with a training run, told so that the reader knows what to do."""

from taonet.kit.errors import Refusal


class TrainingError(Refusal):
    """A model cannot be built or measured."""
