"""How fast a stage goes, and how long it will take."""

import time
from dataclasses import dataclass

from engine.execute.events import Event


@dataclass(slots=True)
class Rate:
    """Rate and time left, from the first progress of a stage on: what was there before did not take time."""

    since: float = 0.0
    first: int = -1

    def note(self, event: Event) -> str:
        """Return what to say beside the counts: the stage's own note, the rate, the time left."""
        now = time.monotonic()
        if self.first < 0:
            self.since, self.first = now, event["done"]
        did, took = event["done"] - self.first, now - self.since
        parts = [event["note"]] if event.get("note") else []
        if did and took:
            rate = did / took
            parts += [
                f"{rate:.1f} {event['unit']}/s",
                f"{(event['total'] - event['done']) / rate:.0f} s left",
            ]
        return "  ".join(parts)
