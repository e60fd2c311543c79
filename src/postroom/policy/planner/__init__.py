"""When planned mail will really have left, by limits and pace of each server, and what to move so that less waits."""

from .plan import Arrival, Plan, planned
from .road import Load, Pace, Road
from .spread import Move, moves

__all__ = ["Arrival", "Load", "Move", "Pace", "Plan", "Road", "moves", "planned"]
