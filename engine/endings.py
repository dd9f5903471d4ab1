"""How work ends that does not end well; what a stage raises, and what the program tells its caller."""

from pathlib import Path

EXIT_FAILED, EXIT_BUG, EXIT_INTERRUPTED = 4, 70, 75  # of a stage's process, and of the program


class StageError(Exception):
    """The work cannot be done; the message says what happened and what to do. People see no traceback."""


class Interrupted(Exception):
    """Someone asked to stop, and everything worth keeping is on disk."""


class Bug(Exception):
    """A stage broke in a way that it did not foresee; ``log`` holds the traceback."""

    def __init__(self, stage: str, log: Path) -> None:
        super().__init__(f"the stage {stage} broke; this is a mistake of the program: please report {log}")
        self.log = log
