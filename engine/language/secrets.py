"""Secrets in clear: found by the form of their tokens, and hidden before anything else sees the text.

A recipe is shared, so a token in it is a token given away. The text is masked before it is read; no excerpt, message
or file that comes later can show what is no longer there.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from engine.language.diagnostics import Diagnostic
from engine.language.nodes import Source, Span

# how a token begins → what it is, and how it goes on; a form is compiled only where a text has its beginning
_LONG = "[A-Za-z0-9_]{20,}"
_FORMS = {
    "hf_": ("a token of the Hugging Face Hub", "[A-Za-z0-9]{20,}"),
    "ghp_": ("a token of GitHub", _LONG),
    "gho_": ("a token of GitHub", _LONG),
    "ghu_": ("a token of GitHub", _LONG),
    "ghs_": ("a token of GitHub", _LONG),
    "ghr_": ("a token of GitHub", _LONG),
    "github_pat_": ("a token of GitHub", _LONG),
    "glpat-": ("a token of GitLab", "[A-Za-z0-9_-]{20,}"),
    "AKIA": ("a key of AWS", "[A-Z0-9]{16}(?![A-Za-z0-9])"),
    "ASIA": ("a key of AWS", "[A-Z0-9]{16}(?![A-Za-z0-9])"),
    "AIza": ("a key of Google", "[A-Za-z0-9_-]{35}"),
    "sk-": ("a key of an API", "(?=[A-Za-z_-]{0,40}[0-9])[A-Za-z0-9_-]{20,}"),
    "xoxb-": ("a token of Slack", "[A-Za-z0-9-]{10,}"),
    "xoxp-": ("a token of Slack", "[A-Za-z0-9-]{10,}"),
    "discord.com/api/webhooks/": ("a webhook of Discord", "[0-9]+/[A-Za-z0-9_-]+"),
    "discordapp.com/api/webhooks/": ("a webhook of Discord", "[0-9]+/[A-Za-z0-9_-]+"),
    "hooks.slack.com/services/": ("a webhook of Slack", "[A-Za-z0-9/_-]+"),
    "://": ("a name with a password", r"[^\s/@:'\"]*:[^\s/@'\"]+(?=@)"),
}
_HELP = "take it out, and have it revoked if the file was ever shared; the program finds tokens in the environment"


def hidden(source: Source) -> tuple[Source, list[Diagnostic]]:
    """Return a source with its secrets masked, character by character, and a finding for each."""
    found = sorted(_found(source.text))
    if not found:
        return source, []
    text = source.text
    for start, end, _ in found:
        text = text[:start] + "*" * (end - start) + text[end:]
    masked = replace(source, text=text)
    return masked, [_finding(masked, *one) for one in found]


def holds_secret(text: str) -> bool:
    """Whether a value holds a secret, in clear or as it was masked; asterisks alone are none."""
    beginnings = "|".join(re.escape(begins) for begins in _FORMS)
    return any(_found(text)) or re.search(rf"(?<![A-Za-z0-9])({beginnings})\*{{3}}", text) is not None


def _found(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield where the secret part of each token starts and ends, and what the token is."""
    for begins, (what, rest) in _FORMS.items():
        if begins in text:
            bound = "(?<![A-Za-z0-9])" if begins[0].isalnum() else ""
            for match in re.finditer(f"{bound}{re.escape(begins)}({rest})", text):
                yield match.start(1), match.end(1), what


def _finding(source: Source, start: int, end: int, what: str) -> Diagnostic:
    before = source.text[:start]
    line, column = before.count("\n") + 1, start - before.rfind("\n")
    return Diagnostic(
        "RCP5201", f"this looks like {what}", Span(source, line, column, column + end - start), help=_HELP
    )
