"""The catalogue: causes, rules and providers as data (TOML), read once and only when the first finding is asked for."""

from .cause import Cause, Text
from .provider import Provider
from .reading import Catalogue, catalogue
from .rule import Rule

__all__ = ["Catalogue", "Cause", "Provider", "Rule", "Text", "catalogue"]
