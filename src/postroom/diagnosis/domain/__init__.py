"""What the DNS says of a mail domain: will mail from it be believed, and does it accept mail at all?"""

from .answers import Answer, Inquiry, Outcome, Question
from .part import Part, Status
from .reading import Reading, reading_of
from .sender import Record, Sender, owner_of, receiver_at, sender_of
from .subject import Subject
from .typo import meant_domain
from .wording import Wording, has_words, wording_of

__all__ = [
    "Answer", "Inquiry", "Outcome", "Part", "Question", "Reading", "Record", "Sender", "Status", "Subject", "Wording",
    "has_words", "meant_domain", "owner_of", "reading_of", "receiver_at", "sender_of", "wording_of",
]
