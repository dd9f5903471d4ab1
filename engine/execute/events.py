"""What happens in a run, as JSON lines. Progress, reports and trackers are readers of this one stream."""

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Event = dict[str, Any]


@dataclass(slots=True)
class EventLog:
    """Appends events to a file; a torn last line is the worst that a crash leaves."""

    path: Path
    number: int = field(default=0)

    def write(self, event: Event) -> None:
        """Append one event with its number and time."""
        self.number += 1
        line = json.dumps(
            {"seq": self.number, "ts": datetime.now(UTC).isoformat()} | event, ensure_ascii=False
        )
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, f"{line}\n".encode())
        finally:
            os.close(handle)
