"""What is told of a code."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Explanation:
    """A code at length.

    Attributes:
        cause: why it is said.
        fix: what to do.
        example: what has it: the words of a recipe, a whole file where it begins with ``apiVersion``, or an option of
            the command line. Empty where it takes more than a recipe, such as a folder or a repository.
    """

    cause: str
    fix: str
    example: str = ""
