"""What every code means at length: why it is said, what to do, and a recipe that has it.

``recipe explain CODE`` and ``docs/codes.md`` are these texts. They are not in ``codes.py`` because a recipe that is
right needs none of them. A test runs every example, and holds the codes without one to a test of their own.
"""

from engine.language.explanations.clips import CLIPS
from engine.language.explanations.elsewhere import ELSEWHERE
from engine.language.explanations.explanation import Explanation
from engine.language.explanations.files import FILES
from engine.language.explanations.layers import LAYERS
from engine.language.explanations.optimizing import OPTIMIZING
from engine.language.explanations.reading import READING
from engine.language.explanations.sharing import SHARING
from engine.language.explanations.training import TRAINING
from engine.language.explanations.words import WORDS

__all__ = ["EXPLANATIONS", "Explanation"]

EXPLANATIONS: dict[str, Explanation] = {
    **READING,
    **WORDS,
    **LAYERS,
    **FILES,
    **TRAINING,
    **OPTIMIZING,
    **CLIPS,
    **ELSEWHERE,
    **SHARING,
}
