"""Is a text about a failure of mail at all? Most words of rules also occur in texts that have nothing to do with it."""

import re

# A reply code stands at the beginning, after punctuation, after a word that announces it, or before an enhanced code.
_CODE = re.compile(
    r"(?:\A|[:;,\"'(\[>/{|=*#-] ?|(?<=\. )|"
    r"\b(?:code|response|said|got|error|reply|returned|status|fatal|server|smtp|by) )"
    r"([45]\d\d)(?=[ \-:,')\]\"]|\Z)|(?<![\w.:/-])([45]\d\d)(?=[ -][245]\.\d{1,2}\.\d{1,3})"
)
_ENHANCED = re.compile(r"(?:(?<![\w.\[-])|(?<=\b[245]\d\d-)|(?<=\bx-)|(?<=\bx))([245]\.\d{1,2}\.\d{1,3})(?![\w.])")
_FAILURE = re.compile(
    r"fail|error|errno|refus|reject|den(ied|y)|exceed|invalid|unable|cannot|can.t |could ?n.t|\bnot\b|\bno \w|never|"
    r"block|time(d )?-?out|expired|unknown|lost|closed|unreach|exception|warning|bounced|deferred|misbehav|alert|"
    r"too (many|big|large|long|fast|small)|suspend|suppress|missing|wrong|unexpected|\bfull\b|quota|gr[ea]ylist|"
    r"\bloops?\b|self[- ]?signed|mismatch|unverified|disabled|locked|required|must |n.t |throttl|temporar|insufficient|"
    r"broken|\*\*\*\*|xxxx|unauth|unsupported|unrecogni|disallow|eof\b|\be[a-z]*(refused|reset|notfound|timedout|unreach)|"
    r"_self_|_too_|_again|eyjzdgf0dxmioi|fehl|nicht|ungültig|abgelehnt|verweiger|abgelaufen|unbekannt|inconnu|échou|échec|"
    r"echec|expir|deneg|rehus|rechaz|desconocid|inacces"
)
_MAIL = re.compile(
    r"smtp|mail|rcpt|recipient|sender|\b[eh][eh]lo\b|starttls|\bmx\b|relay|postfix|exim\b|dovecot|\bsasl|dkim|\bspf\b|"
    r"dmarc|spamhaus|\brbl\b|dnsbl|blocked using|gr[ea]ylist|outlook|office365|sendgrid|amazonses|postmark|bounce|"
    r"undeliver|eyjzdgf0dxmioi|\bdelivery\b|username and password|\bauth (login|plain|command)|smtputf8|milter|"
    r"bare ?<?(lf|line)|220[ -]\*\*|local[- ]part|"
    r"(?:port |\.\d{1,3}:|[a-z)\]]:)(25|465|587|2525)\b|(?:\A|[:;(#] ?)[45]\.\d\.\d{1,3} |storedrv|resolver\.|"
    r"submission"
)
# A line that begins with a code of SMTP that HTTP does not use, or hardly: somebody pasted a reply.
_REPLY_LINE = re.compile(r"\A\(?(421|432|45[0-9]|51[03-9]|5[2-5]\d|57[01])[ ,-](?!\d)")


def reply_codes(lower: str) -> frozenset[int]:
    """The reply codes (4xx, 5xx) that a text in lower case quotes."""
    return frozenset(int(first or second) for first, second in _CODE.findall(lower))


def enhanced_codes(lower: str) -> frozenset[str]:
    """The enhanced status codes that a text quotes."""
    return frozenset(_ENHANCED.findall(lower))


def is_failure(lower: str) -> bool:
    """The text speaks of something that went wrong."""
    return bool(_FAILURE.search(lower)) or bool(reply_codes(lower))


def is_about_mail(lower: str) -> bool:
    """The text names something of mail, or quotes a reply with its enhanced status code."""
    if _MAIL.search(lower) or _REPLY_LINE.match(lower):
        return True
    return bool(reply_codes(lower) and enhanced_codes(lower))
