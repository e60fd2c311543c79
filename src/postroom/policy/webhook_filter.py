"""Which events a webhook hears of: by their kind, and where they tell of a message, by its tags and purpose."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

PURPOSES = ("notification", "report", "communication", "alert")


@dataclass(frozen=True, slots=True)
class WebhookFilter:
    """Empty `tags` or `purposes` let every message pass; of several tags a message needs one."""

    kinds: Collection[str]
    tags: Collection[str] = ()
    purposes: Collection[str] = ()

    def lets_pass(self, event: Mapping[str, Any]) -> bool:
        """Whether the event, as it is sent, is wanted. A message that is gone already has neither tag nor purpose."""
        if event["type"] not in self.kinds:
            return False
        message = event["data"].get("message")
        if message is None:
            return True
        by_tag = not self.tags or not set(self.tags).isdisjoint(message.get("tags") or ())
        return by_tag and (not self.purposes or message.get("purpose") in self.purposes)
