"""How a step of configuration says no."""

from postroom.terms.problem import FieldError


class SettingsRefused(Exception):
    """The settings can't be taken as they are; `problems` name each field and its remedy."""

    def __init__(self, *problems: FieldError) -> None:
        super().__init__("; ".join(f"{p.field}: {p.text}" for p in problems))
        self.problems = list(problems)


class NotPossible(Exception):
    """The step does not fit the present state; the text says why and what to do."""
