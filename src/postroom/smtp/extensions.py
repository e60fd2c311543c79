"""What a server offered in its answer to EHLO (RFC 5321 section 4.1.1.1)."""

from collections.abc import Mapping

from postroom.terms.reply import Reply


def extensions_of(reply: Reply) -> dict[str, tuple[str, ...]]:
    """Keyword in upper case to its parameters; the first line names the server and is no extension.

    The obsolete form AUTH=LOGIN, which some servers send beside or in place of AUTH, is read as AUTH. A keyword
    given twice keeps the parameters of both.
    """
    extensions: dict[str, tuple[str, ...]] = {}
    for line in reply.lines[1:]:
        words = line.split()
        if not words:
            continue
        keyword, parameters = words[0].upper(), tuple(words[1:])
        if keyword.startswith("AUTH="):
            keyword, parameters = "AUTH", tuple(w for w in (keyword[5:], *parameters) if w)
        known = extensions.get(keyword, ())
        extensions[keyword] = known + tuple(p for p in parameters if p not in known)
    return extensions


def mechanisms_of(extensions: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Mechanisms of the AUTH extension in upper case, in the server's order."""
    return tuple(dict.fromkeys(name.upper() for name in extensions.get("AUTH", ())))


def size_limit_of(extensions: Mapping[str, tuple[str, ...]]) -> int | None:
    """The SIZE extension's limit in octets (RFC 1870); None when there is none, it is 0, or it is not a number."""
    given = extensions.get("SIZE", ())
    if not given or len(given[0]) > 20 or not (given[0].isascii() and given[0].isdigit()):
        return None
    return int(given[0]) or None
