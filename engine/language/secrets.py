"""Secrets in clear: found by the form of their tokens, and hidden before anything else sees the text.

A recipe is shared, so a token in it is a token given away. The text is masked before it is read; no excerpt, message
or file that comes later can show what is no longer there.
"""

import re
from dataclasses import replace

from engine.language.diagnostics import Diagnostic
from engine.language.nodes import Source, Span

# what it is → its form; the part that is kept says what it was
_FORMS = {
    "a token of the Hugging Face Hub": r"(?<![A-Za-z0-9])(?P<hf>hf_)[A-Za-z0-9]{20,}",
    "a token of GitHub": r"(?<![A-Za-z0-9])(?P<gh>gh[pousr]_|github_pat_)[A-Za-z0-9_]{20,}",
    "a token of GitLab": r"(?<![A-Za-z0-9])(?P<gl>glpat-)[A-Za-z0-9_-]{20,}",
    "a key of AWS": r"(?<![A-Za-z0-9])(?P<aws>A[KS]IA)[A-Z0-9]{16}(?![A-Za-z0-9])",
    "a key of Google": r"(?<![A-Za-z0-9])(?P<google>AIza)[A-Za-z0-9_-]{35}",
    "a key of OpenAI's form": r"(?<![A-Za-z0-9])(?P<sk>sk-)(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{20,}",
    "a token of Slack": r"(?<![A-Za-z0-9])(?P<slack>xox[abeprs]-)[A-Za-z0-9-]{10,}",
    "a webhook of Discord": r"(?P<discord>discord(?:app)?\.com/api/webhooks/)[0-9]+/[A-Za-z0-9_-]+",
    "a webhook of Slack": r"(?P<hook>hooks\.slack\.com/services/)[A-Za-z0-9/_-]+",
    "a name with a password": r"(?P<user>[a-z]://)[^\s/@:'\"]*:[^\s/@'\"]+(?=@)",
}
_ANY = re.compile("|".join(f"(?:{form})" for form in _FORMS.values()))
_NAMES = dict(zip(_ANY.groupindex, _FORMS, strict=True))


def hidden(source: Source) -> tuple[Source, list[Diagnostic]]:
    """Return a source with its secrets masked, character by character, and a finding for each."""
    if not _ANY.search(source.text):
        return source, []
    masked = replace(source, text=_ANY.sub(_mask, source.text))
    return masked, [_finding(match, masked) for match in _ANY.finditer(source.text)]


def _mask(match: re.Match[str]) -> str:
    kept = match[str(match.lastgroup)]
    return kept + "*" * (len(match[0]) - len(kept))


def _finding(match: re.Match[str], source: Source) -> Diagnostic:
    before = source.text[: match.start()]
    line, column = before.count("\n") + 1, match.start() - before.rfind("\n")
    span = Span(source, line, column, column + len(match[0]))
    return Diagnostic("RCP5201", f"this looks like {_NAMES[str(match.lastgroup)]}", span, help=_HELP)


_HELP = "take it out, and have it revoked if the file was ever shared; the program finds tokens in the environment"
