"""Secrets in clear: found by the form of their tokens or the name of their key, and hidden before anything sees the text.

A recipe is shared, so a token in it is a token given away. The text is masked before it is read; no excerpt, message
or file that comes later can show what is no longer there.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from engine.language.address import userinfo
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
}
# a key that is called so, and a value of one word behind it
_NAMED = (
    r"(?:^|[\s{,.'\"])[\w-]*(?:(?P<token>token)|password|passwd|passphrase|api_?-?key|secret(?:_?-?key)?|access_?-?key)"
    r"['\"]?[ \t]{0,8}[:=][ \t]{0,8}['\"]?(?P<value>[^\s,{}\[\]#'\"*&!|><$][^\s,{}\[\]#'\"*]{3,})"
    r"(?=['\"]?[ \t]*(?:[,}\n]|[ \t]#|$))"
)
_DRAWN = r"(?=.*[0-9])(?=.*[A-Za-z])[\w.-]{16,}"  # of a `token` only what looks drawn: words to train on are called so too
# behind the `?` of an address; storages sign addresses so
_IN_QUERY = r"[?&](?:[\w-]*(?:token|password|secret|signature|credential)[\w-]*|sig|key|api_?key)=([^&\s'\"*][^&\s'\"]*)"
_BY_NAME = "a secret, by the name of its key"
_NOTHING = ("null", "none", "true", "false")
_HELP = "take it out, and have it revoked if the file was ever shared; the program finds tokens in the environment"
_HELP_NAMED = f"{_HELP}; if it is none, give the key another name"


def hidden(source: Source) -> tuple[Source, list[Diagnostic]]:
    """Return a source with its secrets masked, character by character, and a finding for each."""
    by_form = sorted(_found(source.text))
    by_name = [
        one
        for one in _named(source.text)
        if not any(start < one[1] and one[0] < end for start, end, _ in by_form)
    ]
    found = sorted([*by_form, *by_name])
    if not found:
        return source, []
    text = source.text
    for begins, end, _ in found:
        start = begins - (text[begins - 1 : begins] == "\\")  # half an escape could not be read any more
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
    if "=" in text and "://" in text:
        for match in re.finditer(_IN_QUERY, text, re.IGNORECASE):
            yield match.start(1), match.end(1), "a secret in an address"
    yield from ((start, end, "a name or a password in an address") for start, end in userinfo(text))


def _named(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield the same for values whose keys say that they are secrets; the first character stays, or it would be an alias."""
    for match in re.finditer(_NAMED, text, re.IGNORECASE | re.MULTILINE):
        value = match["value"]
        if value.lower() not in _NOTHING and (match["token"] is None or re.fullmatch(_DRAWN, value)):
            yield match.start("value") + 1, match.end("value"), _BY_NAME


def _finding(source: Source, start: int, end: int, what: str) -> Diagnostic:
    help_ = _HELP_NAMED if what == _BY_NAME else _HELP
    start -= what == _BY_NAME  # the character that stays is a part of it
    before = source.text[:start]
    line, column = before.count("\n") + 1, start - before.rfind("\n")
    span = Span(source, line, column, column + end - start)
    return Diagnostic("RCP5201", f"this looks like {what}", span, help=help_)
