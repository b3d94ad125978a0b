"""What can be wrong with a training run, told so that the reader knows what to do."""


class TrainingError(Exception):
    """A model cannot be built or measured."""
