"""What looks like a secret where everybody may read it: header fields and addresses of a report source.

Names decide first; a value decides where its form is that of a token. What is left unseen is a secret under a name that
says nothing and in the form of any other word.
"""

import re
from urllib.parse import SplitResult, parse_qsl

_WORDS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+(?![a-z])")
# A word of a name that ends so names a secret: token, authtoken, client_secret, X-Amz-Signature.
_SECRET_WORD = re.compile(
    r"(?:token|secret|passw(?:or)?d|pwd|passphrase|credentials?|jwt|bearer|authorization|cookie|apikey|accesskey"
    r"|signature|sessionid)\Z"
)
# Whole names that end so may name something else; in a header field they hardly do.
_LAST_WORDS = frozenset(("key", "auth", "sig", "sid", "session", "code"))
_KEYS = re.compile(r"(?:api|access|private|auth|secret|subscription|functions?|account|master)[-_.]?key\Z")
_SCHEME = re.compile(r"(?i)\s*(?:basic|bearer|digest|negotiate|token|apikey)\s+\S{8,}\s*\Z")
_TOKEN = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]{8,}\.|\b(?:gh[opsur]_\w{16}|github_pat_\w{16}|glpat-[\w-]{16}|xox[abeprs]-[\w-]{10}"
    r"|sk[-_](?:live|test|proj)[-_]\w{16}|AKIA[0-9A-Z]{16}|AIza[\w-]{30}|pr_[\w-]{16})"
)
_OPAQUE = re.compile(r"[\w.~+/=-]{16,}\Z", re.ASCII)


def is_secret_field(name: str, value: str) -> bool:
    """Whether a header field is one that carries a secret, or its value is in the form of one."""
    words = _words(name)
    by_name = _names_secret(words) or bool(words and words[-1] in _LAST_WORDS)
    return by_name or bool(_SCHEME.match(value) or _TOKEN.search(value))


def secret_part(url: SplitResult) -> str:
    """The part of an address that carries a secret: the name of a value in its query, "path" for a token there, or ""
    where nothing looks like one."""
    for name, value in parse_qsl(url.query) + parse_qsl(url.fragment):
        words = _words(name)
        is_doubtful = bool(words) and words[-1] in _LAST_WORDS
        if _names_secret(words) or (is_doubtful and _is_opaque(value)) or _TOKEN.search(value):
            return name
    return "path" if _TOKEN.search(url.path) else ""


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(name)]


def _names_secret(words: list[str]) -> bool:
    return any(_SECRET_WORD.search(word) for word in words) or bool(_KEYS.search("-".join(words)))


def _is_opaque(value: str) -> bool:
    """Letters of both cases and digits, or many digits in hexadecimal: no word that people write."""
    if not _OPAQUE.match(value):
        return False
    kinds = sum(bool(re.search(kind, value)) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    return kinds == 3 or bool(re.fullmatch(r"[0-9a-fA-F]{20,}", value))
