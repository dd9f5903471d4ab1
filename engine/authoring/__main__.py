"""``python -m engine.authoring``: write the schemas, and the pages about words and codes, anew from their one source."""

from pathlib import Path

from engine.authoring.codes import codes_page
from engine.authoring.reference import reference
from engine.words.schema import published, resolved_schema
from engine.words.table import vocabulary

_ROOT = Path(__file__).resolve().parents[2]


def generated() -> dict[Path, str]:
    """Return every generated file of the checkout with its text."""
    files = {_ROOT / "schemas" / "v1" / name: text for name, text in published().items()}
    pages = {"reference.md": reference(vocabulary(resolved_schema())), "codes.md": codes_page()}
    return files | {_ROOT / "docs" / name: text for name, text in pages.items()}


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
