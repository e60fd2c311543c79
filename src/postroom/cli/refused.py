"""How a command ends that was refused: 2 for what was asked, 1 for what can't be done now, with a sentence on standard
error."""

import argparse
import sys
from collections.abc import Callable


class Usage(Exception):
    """The arguments, or what stands on standard input, can't be taken; the text says why."""


def ended(action: Callable[[argparse.Namespace], int], args: argparse.Namespace) -> int:
    """The exit status of an action on an open installation."""
    from postroom.flow.instance.refusals import NotPossible, SettingsRefused

    try:
        return action(args)
    except (SettingsRefused, Usage) as refused:
        print(refused, file=sys.stderr)
        return 2
    except NotPossible as reason:
        print(reason, file=sys.stderr)
        return 1
