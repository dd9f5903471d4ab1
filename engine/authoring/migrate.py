"""Bring the text of a file to the current version of the language: ``recipe migrate``.

Each change of ``engine/language/versions.py`` is made to the text by replacing, taking out and putting in stretches of
it, so that a diff shows the words that became otherwise and nothing else. The file is read again afterwards, and must
say exactly what the same changes make of what was read.
"""

from dataclasses import dataclass

import yaml

from engine.authoring.edits import Edit, Spoilt, edited, reread
from engine.authoring.form import ended, unspoilt
from engine.authoring.layout import STEP, entries
from engine.authoring.moved import Bracketed, Moved, beside
from engine.authoring.tokens import (
    FLOW_ENDS,
    FLOW_STARTS,
    MARKS,
    Inside,
    Line,
    Token,
    between,
    end,
    lines,
    start,
    tokens,
)
from engine.language.diagnostics import Diagnostic, RecipeError
from engine.language.nodes import Entry, Mapping, Node, Source, Span, plain
from engine.language.versions import (
    CURRENT,
    Change,
    Renamed,
    Respelt,
    changes_since,
    entry_at,
    migrated,
    unreadable,
    version_of,
)
from engine.language.write import one_line


def brought_up(source: Source, node: Node) -> str:
    """Return the text at the current version; the same text where it is there already.

    Raises:
        RecipeError: it is of a newer version, or only its author can tell what it should say.
    """
    version = version_of(node)
    if version is None or version == CURRENT or not isinstance(node, Mapping):
        return source.text
    said = node.get("apiVersion")
    assert said is not None, "it says its version"
    if version > CURRENT:
        raise RecipeError([unreadable(version, said.value.span)])
    wanted, findings = migrated(node, version)
    if findings:
        raise RecipeError(findings)
    try:
        text = ended(source, node)
        for change in changes_since(version):
            text = _changed(Source(source.name, text, source.folder), change)
        unspoilt(source, wanted, text)
    except Spoilt as why:
        anchored = any(isinstance(token, yaml.AliasToken) for token in tokens(source.text))
        what = "with anchors" if anchored else "as it stands here"
        raise RecipeError([_by_hand(said.value.span, what, f": {why}")]) from None
    return text


def _changed(source: Source, change: Change) -> str:
    """Make one change to a text."""
    node = reread(source, source.text)
    entry = entry_at(node, change.word if isinstance(change, Respelt) else change.old)
    if entry is None:
        return source.text
    text = _Text.of(source)
    if isinstance(change, Respelt):
        return edited(source.text, text.respelt(entry, change))
    if change.old.rpartition(".")[0] == change.new.rpartition(".")[0]:
        return edited(source.text, [text.renamed(entry, change)])
    return edited(source.text, text.moved(node, entry, change))


@dataclass(frozen=True, slots=True)
class _Text:
    """A text with its tokens and lines."""

    source: Source
    found: list[Token]
    lines: list[Line]
    inside: Inside

    @classmethod
    def of(cls, source: Source) -> "_Text":
        found = tokens(source.text)
        return cls(source, found, lines(source.text), Inside.of(source.text, found))

    def renamed(self, entry: Entry, change: Renamed) -> Edit:
        """Put the new name where the old one stands, within its quotes."""
        return self._key(entry, change.new.rpartition(".")[2])

    def respelt(self, entry: Entry, change: Respelt) -> list[Edit]:
        """Put the new value where the old one stands; a text stays in its quotes."""
        value = change.how(old := plain(entry.value))
        if value == old:
            return []
        token = self._text(entry.value.span)
        was = self.source.text[start(token) : end(token)]
        quote = token.style if isinstance(value, str) and token.style in ("'", '"') else ""
        new = f"{quote}{value}{quote}" if isinstance(value, str) else one_line(value)
        return [Edit(start(token), end(token), new + ("\n" if was.endswith("\n") else ""))]

    def moved(self, node: Node, entry: Entry, change: Renamed) -> list[Edit]:
        """Take an entry out of its section and put it into another, with its comments."""
        section = entry_at(node, change.new.rpartition(".")[0])
        out, moved = self._taken(node, entry, change)
        if section is not None:
            return [*out, self._put(section, moved)]
        whole = change.new.rpartition(".")[0]
        over = next((start(token) for token in self.found if isinstance(token, yaml.DocumentEndToken)), None)
        at = len(self.source.text) if over is None else over
        lead = "" if self.source.text[:at].endswith("\n") else "\n"
        return [*out, Edit(at, at, f"{lead}\n{whole}:\n{moved.lines(STEP)}")]

    def _taken(self, node: Node, entry: Entry, change: Renamed) -> tuple[list[Edit], Moved]:
        """Return the edits that take an entry out, and the entry with its new name."""
        at = self._offset(entry.key_span)
        column = entry.key_span.column - 1
        key = self._key(entry, change.new.rpartition(".")[2])
        renamed = [Edit(key.start - at, key.end - at, key.text)]
        if self._in_brackets(at):
            there = Bracketed.of(self.source.text, self.found, at)
            if there.alone:
                raise RecipeError([_by_hand(entry.key_span, "alone in brackets")])
            return [*there.out()], there.moved(
                edited(self.source.text[at : end(there.last)], renamed), column
            )
        above = entry_at(node, change.old.rpartition(".")[0]) if "." in change.old else None
        only = above is not None and isinstance(above.value, Mapping) and len(above.value.entries) == 1
        lines = self._lines_of(at, above.key_span.column - 1 if above is not None and only else column)
        said = self.source.text[at : lines.ends].removesuffix("\n")
        moved = Moved(
            edited(said, renamed),
            column,
            tuple(between("\n".join(line.text for line in self.lines[lines.first : lines.key]))),
            beside(self.source.text[lines.ends : self.lines[lines.said].end]),
            tuple(self.lines[lines.said + 1 : lines.last + 1]),
        )
        begin = self.lines[lines.first].start
        stop = min(self.lines[lines.last].end + 1, len(self.source.text))
        if above is None or not only:
            return [Edit(begin, stop, "")], moved
        # a section that only held this goes; what was said about it stays
        head = self.lines[self._line(self._offset(above.key_span))].start
        kept = between(self.source.text[head:begin])
        return [Edit(head, stop, "".join(f"#{comment}\n" for comment in kept))], moved

    def _put(self, section: Entry, moved: Moved) -> Edit:
        """Return the edit that puts an entry into a section, behind what it says; in brackets, before that."""
        inner = section.value
        last = inner.entries[-1].key_span if isinstance(inner, Mapping) and inner.entries else None
        if last is not None and not self._in_brackets(self._offset(last)):
            lines = self._lines_of(self._offset(last), section.key_span.column - 1)
            ends = min(self.lines[lines.last].end + 1, len(self.source.text))
            lead = "" if self.source.text[ends - 1] == "\n" else "\n"
            return Edit(ends, ends, lead + moved.lines(last.column - 1))
        at = self._offset(section.key_span)
        opened = next(
            (token for token in self.found if start(token) > at and isinstance(token, FLOW_STARTS)), None
        )
        if opened is not None and isinstance(inner, Mapping):
            said = moved.in_brackets(self.source.text, opened, alone=not inner.entries)
            if said is not None:
                return Edit(end(opened), end(opened), said)
        raise RecipeError([_by_hand(section.key_span, "into brackets")])

    def _key(self, entry: Entry, name: str) -> Edit:
        token = self._text(entry.key_span)
        quote = token.style if token.style in ("'", '"') else ""
        return Edit(start(token), end(token), f"{quote}{name}{quote}")

    def _text(self, span: Span) -> yaml.ScalarToken:
        """Return the token of a text; an anchor may stand before it."""
        at = self._offset(span)
        return next(
            token for token in self.found if start(token) >= at and isinstance(token, yaml.ScalarToken)
        )

    def _offset(self, span: Span) -> int:
        return self.lines[span.line - 1].start + span.column - 1

    def _line(self, at: int) -> int:
        return next(number for number, line in enumerate(self.lines) if line.start <= at <= line.end)

    def _in_brackets(self, at: int) -> bool:
        before = [token for token in self.found if start(token) < at]
        return sum(isinstance(token, FLOW_STARTS) - isinstance(token, FLOW_ENDS) for token in before) > 0

    def _lines_of(self, at: int, column: int) -> "_Lines":
        """Return the lines of an entry: comments right above it, and those below that stand right of a column."""
        every = list(entries(self.found))
        number = next(number for number, entry in enumerate(every) if entry.start == at)
        depth = len(every[number].blocks)
        after = next(
            (entry.start for entry in every[number + 1 :] if len(entry.blocks) <= depth),
            len(self.source.text) + 1,
        )
        its = [token for token in self.found if end(token) > start(token) and at <= start(token) < after]
        value = [token for token in its if not isinstance(token, MARKS)][-1]
        around = self.inside.at(start(value) + 1)
        ends = around.end if around else end(value)
        key, said = self._line(at), self._line(ends - 1)
        first, last = key, said
        while first and self._is_comment(first - 1):
            first -= 1
        below = said + 1
        while below < len(self.lines) and (self.lines[below].blank or self._is_comment(below)):
            if self.lines[below].comment:
                if self.lines[below].indent <= column:
                    break
                last = below
            below += 1
        return _Lines(first, key, said, last, ends)

    def _is_comment(self, number: int) -> bool:
        return self.lines[number].comment and self.inside.style(self.lines[number].start) is None


@dataclass(frozen=True, slots=True)
class _Lines:
    """The lines of an entry: the first of its comments, its key, the end of its value, the last of its comments."""

    first: int
    key: int
    said: int
    last: int
    ends: int  # offset behind its value


def _by_hand(span: Span, what: str, why: str = "") -> Diagnostic:
    return Diagnostic("RCP3003", f"a word {what} is not moved by itself{why}", span, help="write it in lines of its own, or change it by hand as "
                      "docs/authoring.md says")  # fmt: skip
