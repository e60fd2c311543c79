"""What the lanes of an engine hold of messages in memory: bounded in octets for all of them, not in messages.

Small contents come with the claim; of larger ones a session reads a piece at a time, so that each holds a few hundred
KiB whatever the message's size.
"""

from postroom.flow.delivery.deliver import Group

MOST_BYTES = 32 * 1024 * 1024


class HeldOctets:
    """Of all lanes that share a courier."""

    def __init__(self) -> None:
        self._bytes = 0
        self._counted: dict[str, int] = {}  # of each group, by the attempt of its first delivery

    @property
    def has_room(self) -> bool:
        """Whether more may be claimed. A lane that holds nothing may always claim something."""
        return self._bytes < MOST_BYTES

    def add(self, group: Group) -> None:
        inline_bytes = self._counted[_key(group)] = _inline_bytes(group)
        self._bytes += inline_bytes

    def remove(self, group: Group) -> None:
        """What was removed before, or never added, counts for nothing."""
        self._bytes -= self._counted.pop(_key(group), 0)


def _key(group: Group) -> str:
    return group.claimed[0].lease.attempt_id


def _inline_bytes(group: Group) -> int:
    content = group.claimed[0].message.content
    return 0 if content is None else len(content.inline_octets)
