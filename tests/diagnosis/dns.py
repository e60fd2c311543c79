"""DNS zones as tables, for readings."""

from collections.abc import Mapping

from postroom.diagnosis.domain import Answer, Inquiry, Outcome, Part, Question, Reading, Subject, reading_of

# "TXT norrvik.example": its records; a name that has none is empty, a name that is not there does not exist.
Zone = Mapping[str, tuple[str, ...] | Answer]
KINDS = ("TXT", "MX", "A", "AAAA")
TIMEOUT = Answer(Outcome.UNKNOWN, reason="timeout")


def answer_in(zone: Zone, question: Question) -> Answer:
    """What a server of the zone says."""
    given = zone.get(f"{question.kind} {question.name}")
    if isinstance(given, Answer):
        return given
    if given:
        return Answer(Outcome.FOUND, tuple(given))
    if question.name == "com":
        return Answer(Outcome.EMPTY)
    names = {key.split(" ", 1)[1] for key in zone}
    there = any(name == question.name or name.endswith(f".{question.name}") for name in names)
    return Answer(Outcome.EMPTY if there else Outcome.NO_NAME)


def read(zone: Zone, domain: str, host: str = "") -> tuple[Reading, list[Question]]:
    """The whole reading, and every question that it took."""
    answers: dict[Question, Answer] = {}
    while True:
        inquiry = Inquiry(answers)
        reading = reading_of(Subject.of(domain, host), inquiry)
        wanted = list(inquiry.wanted())
        if not wanted:
            return reading, list(answers)
        answers |= {question: answer_in(zone, question) for question in wanted}


def part(zone: Zone, name: str, domain: str = "norrvik.example", host: str = "") -> Part:
    """One part of the reading."""
    return read(zone, domain, host)[0].parts[name]
