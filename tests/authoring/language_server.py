"""The npm package yaml-language-server, spoken to as an editor does: LSP over its standard input and output."""

import json
import subprocess
from pathlib import Path
from typing import Any, Self


class LanguageServer:
    """A running server; ``diagnostics`` opens a text and waits for what is said of it."""

    def __init__(self, package: Path) -> None:
        self.process = subprocess.Popen(
            ["node", str(package / "bin" / "yaml-language-server"), "--stdio"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.number = 0

    def __enter__(self) -> Self:
        self._ask("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
        self._tell("initialized", {})
        # nothing but the schema that a file names: no store of schemas, no network
        self._tell("workspace/didChangeConfiguration", {"settings": {"yaml": _SETTINGS}})
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def diagnostics(self, text: str) -> list[dict[str, Any]]:
        self.number += 1
        uri = f"file:///recipes/{self.number}.yaml"
        self._tell(
            "textDocument/didOpen",
            {"textDocument": {"uri": uri, "languageId": "yaml", "version": 1, "text": text}},
        )
        while True:
            said = self._read()
            if said.get("method") == "textDocument/publishDiagnostics" and said["params"]["uri"] == uri:
                return said["params"]["diagnostics"]

    def complete(self, text: str, line: int, column: int) -> list[str]:
        """Return what is offered at a place, both counted from 0."""
        self.diagnostics(text)
        said = self._ask("textDocument/completion", {"textDocument": {"uri": f"file:///recipes/{self.number}.yaml"},
                                                     "position": {"line": line, "character": column}})  # fmt: skip
        found = said["result"]
        return [item["label"] for item in (found["items"] if isinstance(found, dict) else found)]

    def _ask(self, method: str, params: Any) -> dict[str, Any]:
        self.number += 1
        number = self.number
        self._write({"jsonrpc": "2.0", "id": f"ask-{number}", "method": method, "params": params})
        while True:
            said = self._read()
            if said.get("id") == f"ask-{number}" and "method" not in said:
                return said

    def _tell(self, method: str, params: Any) -> None:
        self._write({"jsonrpc": "2.0", "method": method, "params": params})

    def _write(self, message: dict[str, Any]) -> None:
        body = json.dumps(message).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        self.process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        """Return the next message that is not a question; those are answered with nothing, or with our settings."""
        assert self.process.stdout is not None
        while True:
            length = 0
            while line := self.process.stdout.readline().strip():
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            if not length:
                raise EOFError("the server ended")
            said = json.loads(self.process.stdout.read(length))
            if "method" in said and "id" in said:
                sections = (
                    [item.get("section") for item in said["params"].get("items", [])]
                    if said.get("params")
                    else []
                )
                answer = [_SETTINGS if section == "yaml" else None for section in sections]
                self._write({"jsonrpc": "2.0", "id": said["id"], "result": answer or None})
            else:
                return said


_SETTINGS = {
    "validate": True, "hover": True, "completion": True, "schemaStore": {"enable": False, "url": ""},
    "kubernetesCRDStore": {"enable": False}, "schemas": {}, "customTags": [],
}  # fmt: skip
