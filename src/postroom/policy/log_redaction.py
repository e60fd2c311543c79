"""Secrets taken out of a log before it is mailed, and the log cut to a size that people read.

Nobody can know every secret. What is recognised: values behind names such as password, token or api_key, credentials
in addresses, the field Authorization, private keys as PEM, and tokens in the form of Postroom's own. Each line is
looked at alone, in time that grows with its length (B12).
"""

import re

BEGINNING_CHARACTERS = 48 * 1024
ENDING_CHARACTERS = 160 * 1024
LINE_CHARACTERS = 4_000
MASK = "[removed]"

_NAMES = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|client[-_]?secret|credentials?"
)
# The name may be part of a longer one (DB_PASSWORD, smtp.password); the value may be quoted, as in JSON.
_NAMED = re.compile(
    rf"(?i)((?:{_NAMES})[\"']?\s{{0,4}}(?:=>|=|:)\s{{0,4}})"
    r"(\"[^\"]{0,2000}\"|'[^']{0,2000}'|[^\s,;&\"'})\]]+)"
)
_OPTION = re.compile(rf"(?i)(--?(?:[a-z]{{1,20}}-)?(?:{_NAMES}))\s{{1,4}}(?!-)(\S+)")
_AUTHORIZATION = re.compile(
    r"(?i)(authorization[\"']?\s{0,4}[:=]\s{0,4}[\"']?)(?:(basic|bearer|digest) {1,4})?[^\s\"']+"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic) {1,4}[a-z0-9._~+/=-]{8,}")
_USER_INFO = re.compile(r"([a-z][a-z0-9+.-]{0,30}://[^\s:/@]{0,200}):[^\s/@]{1,500}@", re.IGNORECASE)
_OWN_TOKEN = re.compile(r"\bpr_[A-Za-z0-9_-]{16,}")
_KEY_BEGINS = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----")
_KEY_ENDS = re.compile(r"-----END [A-Z ]{0,40}PRIVATE KEY-----")


def redacted(log: str) -> str:
    """The log without what looks like a secret, without controls other than tabs, and with its middle left out where it
    is long. Lines end with LF."""
    kept: list[str] = []
    in_key = False
    for line in _cut(log).splitlines():
        if in_key:
            in_key = _KEY_ENDS.search(line) is None
        elif _KEY_BEGINS.search(line):
            in_key = _KEY_ENDS.search(line) is None
            kept.append(f"{MASK} (a private key)")
        else:
            kept.append(_line(line))
    return "".join(f"{line}\n" for line in kept)


def _line(line: str) -> str:
    text = "".join(c if c.isprintable() or c == "\t" else "�" for c in line[:LINE_CHARACTERS])
    text = _AUTHORIZATION.sub(lambda found: f"{found[1]}{found[2] + ' ' if found[2] else ''}{MASK}", text)
    text = _BEARER.sub(rf"\1 {MASK}", text)
    text = _USER_INFO.sub(rf"\1:{MASK}@", text)
    text = _NAMED.sub(rf"\1{MASK}", text)
    text = _OPTION.sub(rf"\1 {MASK}", text)
    text = _OWN_TOKEN.sub(MASK, text)
    return f"{text} …" if len(line) > LINE_CHARACTERS else text


def _cut(log: str) -> str:
    """Whole lines from the beginning and the end."""
    if len(log) <= BEGINNING_CHARACTERS + ENDING_CHARACTERS:
        return log
    first = log[:BEGINNING_CHARACTERS].rpartition("\n")[0] or log[:BEGINNING_CHARACTERS]
    last = log[-ENDING_CHARACTERS:].partition("\n")[2] or log[-ENDING_CHARACTERS:]
    left_out = len(log) - len(first) - len(last)
    return f"{first}\n[… {left_out:,} characters left out …]\n{last}"
