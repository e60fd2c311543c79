"""Who may keep which report source: queries read whole databases and secrets open other doors, so those are for
administrators; files, public addresses and pushes are for operators, too."""

from typing import Any

from postroom.store.models import ReportSource, User

_ADMINISTRATORS = (ReportSource.Kind.SQL,)


def may_keep_sources(user: User) -> bool:
    """Whether this person may add and change report sources of some kind."""
    return user.role in (User.Role.ADMINISTRATOR, User.Role.OPERATOR)


def may_keep(user: User, kind: str, *, has_secret: bool) -> bool:
    """Whether this person may add, change, try or remove a source of that kind."""
    if user.is_administrator:
        return True
    return may_keep_sources(user) and kind not in _ADMINISTRATORS and not has_secret


def kinds_for(user: User, kinds: dict[str, Any]) -> dict[str, Any]:
    """Those of the kinds that this person may add."""
    return {kind: words for kind, words in kinds.items() if may_keep(user, kind, has_secret=False)}
