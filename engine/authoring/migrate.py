"""Bring the text of a file to the current version of the language: ``recipe migrate``.

Each change of ``engine/language/versions.py`` is made to the text by replacing, taking out and putting in stretches of
it, so that a diff shows the words that became otherwise and nothing else. The file is read again afterwards, and must
say exactly what the same changes make of what was read.
"""

from dataclasses import dataclass

import yaml

from engine.authoring.edits import Edit, edited, reread
from engine.authoring.form import ended, same
from engine.authoring.layout import STEP, entries
from engine.authoring.tokens import FLOW_ENDS, FLOW_STARTS, Inside, Line, Token, end, lines, start, tokens
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
    text = ended(source, node)
    for change in changes_since(version):
        text = _changed(Source(source.name, text, source.folder), change)
    if not same(wanted, reread(source, text)):
        raise RecipeError([_by_hand(said.value.span, "with anchors")])
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
        key = self._key(entry, change.new.rpartition(".")[2])
        section = entry_at(node, change.new.rpartition(".")[0])
        out, block = self._taken(node, entry, change, key)
        if section is None:
            whole = change.new.rpartition(".")[0]
            lead = "" if self.source.text.endswith("\n") else "\n"
            return [
                *out,
                Edit(len(self.source.text), len(self.source.text), f"{lead}\n{whole}:\n{_at(block, STEP)}"),
            ]
        return [*out, self._put(section, block)]

    def _taken(self, node: Node, entry: Entry, change: Renamed, key: Edit) -> tuple[list[Edit], str]:
        """Return the edits that take an entry out, and its text with its new name, as lines."""
        at = self._offset(entry.key_span)
        if self._in_brackets(at):
            return self._taken_from_brackets(at, key)
        first, last = self._lines_of(at)
        begin, ends = self.lines[first].start, min(self.lines[last].end + 1, len(self.source.text))
        text = edited(self.source.text[begin:ends], [Edit(key.start - begin, key.end - begin, key.text)])
        above = entry_at(node, change.old.rpartition(".")[0]) if "." in change.old else None
        if above is not None and isinstance(above.value, Mapping) and len(above.value.entries) == 1:
            # a section that only held this goes; what was said about it stays
            begin, inner = self.lines[self._line(self._offset(above.key_span))].start, begin
            return [Edit(begin, ends, _comments(self.source.text[begin:inner]))], text
        return [Edit(begin, ends, "")], text

    def _taken_from_brackets(self, at: int, key: Edit) -> tuple[list[Edit], str]:
        """The same where the section is written in brackets: one comma goes as well."""
        first = next(
            number for number, token in enumerate(self.found) if start(token) >= at and end(token) > at
        )
        depth, last = 0, first
        while depth or not isinstance(self.found[last + 1], (yaml.FlowEntryToken, *FLOW_ENDS)):
            last += 1
            depth += isinstance(self.found[last], FLOW_STARTS) - isinstance(self.found[last], FLOW_ENDS)
        ends, behind = end(self.found[last]), self.found[last + 1]
        before = next(token for token in reversed(self.found[:first]) if end(token) > start(token))
        text = edited(self.source.text[at:ends], [Edit(key.start - at, key.end - at, key.text)])
        if isinstance(behind, yaml.FlowEntryToken):
            following = next(token for token in self.found[last + 2 :] if end(token) > start(token))
            return [Edit(at, start(following), "")], f"{text}\n"
        if isinstance(before, yaml.FlowEntryToken):
            return [Edit(start(before), ends, "")], f"{text}\n"
        raise RecipeError([_by_hand(self._span(at), "alone in brackets")])

    def _put(self, section: Entry, block: str) -> Edit:
        """Return the edit that puts lines into a section, behind what it says."""
        at = self._offset(section.key_span)
        inner = section.value
        if (
            isinstance(inner, Mapping)
            and inner.entries
            and not self._in_brackets(self._offset(inner.entries[-1].key_span))
        ):
            column = inner.entries[-1].key_span.column - 1
            _, last = self._lines_of(self._offset(inner.entries[-1].key_span))
            ends = min(self.lines[last].end + 1, len(self.source.text))
            return Edit(ends, ends, ("" if self.source.text[ends - 1] == "\n" else "\n") + _at(block, column))
        opened = next(
            (token for token in self.found if start(token) > at and isinstance(token, FLOW_STARTS)), None
        )
        if opened is None or not isinstance(inner, Mapping) or "\n" in block.rstrip("\n"):
            raise RecipeError([_by_hand(section.key_span, "into brackets")])
        comma = ", " if inner.entries else ""
        return Edit(end(opened), end(opened), block.strip() + comma)

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

    def _span(self, at: int) -> Span:
        number = self._line(at)
        column = at - self.lines[number].start + 1
        return Span(self.source, number + 1, column, column + 1)

    def _in_brackets(self, at: int) -> bool:
        before = [token for token in self.found if start(token) < at]
        return sum(isinstance(token, FLOW_STARTS) - isinstance(token, FLOW_ENDS) for token in before) > 0

    def _lines_of(self, at: int) -> tuple[int, int]:
        """Return the first and the last line of an entry, the comments right above it among them."""
        every = list(entries(self.found))
        number = next(number for number, entry in enumerate(every) if entry.start == at)
        depth = len(every[number].blocks)
        after = next(
            (entry.start for entry in every[number + 1 :] if len(entry.blocks) <= depth),
            len(self.source.text) + 1,
        )
        last = [token for token in self.found if end(token) > start(token) and at <= start(token) < after][-1]
        around = self.inside.at(start(last) + 1)
        first = self._line(at)
        while (
            first and self.lines[first - 1].comment and self.inside.style(self.lines[first - 1].start) is None
        ):
            first -= 1
        return first, self._line((around.end if around else end(last)) - 1)


def _at(block: str, column: int) -> str:
    """Move lines so that the first stands in a column."""
    said = block.splitlines()
    shift = column - (len(said[0]) - len(said[0].lstrip(" ")))
    moved = (
        f"{' ' * (len(line) - len(line.lstrip(' ')) + shift)}{line.lstrip(' ')}" if line.strip() else line
        for line in said
    )
    return "".join(f"{line}\n" for line in moved)


def _comments(text: str) -> str:
    """Return the comments of lines that hold keys without values."""
    said = (line.partition("#") for line in text.splitlines())
    return "".join(f"#{comment}\n" for _, mark, comment in said if mark)


def _by_hand(span: Span, what: str) -> Diagnostic:
    return Diagnostic("RCP3003", f"a word {what} is not moved by itself", span, help="write it in lines of its own, or change it by hand as "
                      "docs/authoring.md says")  # fmt: skip
