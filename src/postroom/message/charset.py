"""Octets of a message read as text in the charset that somebody says they are in."""

import codecs

# Ways to write host names, which Python counts among its charsets; they take time by the square of the length.
_OF_HOST_NAMES = frozenset(("idna", "punycode"))


def text_in(charset: str, octets: bytes) -> str:
    """`octets` as text. What is none in `charset` is read as UTF-8 where it is that and more than US-ASCII, as programs
    say US-ASCII of anything, and else replaced: octets of seven bits may be codes that shift between character sets. A
    charset that is unknown or none of mail counts as UTF-8. Halves of characters, which some charsets make, are
    replaced too."""
    charset = charset if _is_of_mail(charset) else "utf-8"
    others = () if octets.isascii() else (("utf-8", "strict"),)
    for name, errors in ((charset, "strict"), *others, (charset, "replace")):
        try:
            return octets.decode(name, errors).encode("utf-8", "replace").decode()
        except (LookupError, ValueError):
            continue
    return octets.decode("utf-8", "replace")


def _is_of_mail(charset: str) -> bool:
    try:
        return codecs.lookup(charset).name not in _OF_HOST_NAMES
    except (LookupError, ValueError):
        return False
