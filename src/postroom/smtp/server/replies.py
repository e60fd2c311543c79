"""The replies of our servers (RFC 5321 section 4.2) with their enhanced status codes (RFC 2034, RFC 3463, RFC 5248)."""

from collections.abc import Sequence

from postroom.smtp.text import printable

# RFC 5321 section 4.5.3.1.5: a reply line has at most 512 octets.
_TEXT_CHARACTERS = 440

OK = b"250 2.0.0 OK\r\n"
SENDER_OK = b"250 2.1.0 OK\r\n"
RECIPIENT_OK = b"250 2.1.5 OK\r\n"
GO_AHEAD = b"354 End data with <CR><LF>.<CR><LF>\r\n"
GOODBYE = b"221 2.0.0 Goodbye\r\n"
START_TLS = b"220 2.0.0 Begin TLS\r\n"
CAN_NOT_VERIFY = b"252 2.5.0 Send some mail, it will be tried\r\n"
HELP = b"214 2.0.0 This is mail submission, RFC 6409\r\n"
SIGNED_IN = b"235 2.7.0 Signed in\r\n"
LOGIN_USERNAME = b"334 VXNlcm5hbWU6\r\n"
LOGIN_PASSWORD = b"334 UGFzc3dvcmQ6\r\n"
PLAIN_CHALLENGE = b"334 \r\n"

UNKNOWN_COMMAND = b"500 5.5.1 There is no such command\r\n"
ARGUMENT_REFUSED = b"501 5.5.4 This command takes no argument\r\n"
EHLO_SYNTAX = b"501 5.5.4 Say EHLO with your host name or address literal\r\n"
MAIL_SYNTAX = b"501 5.5.4 Say MAIL FROM:<address>\r\n"
RCPT_SYNTAX = b"501 5.5.4 Say RCPT TO:<address>\r\n"
BDAT_SYNTAX = b"501 5.5.4 Say BDAT and the size of the chunk\r\n"
CONTROL_CHARACTER = b"501 5.5.2 A command has no control characters\r\n"
NOT_UTF8 = b"501 5.5.2 The address is not UTF-8\r\n"
BAD_PARAMETER = b"501 5.5.4 A parameter can't be read\r\n"
UNKNOWN_PARAMETER = b"555 5.5.4 There is no such parameter\r\n"
NEEDS_SMTPUTF8 = b"553 5.6.7 An address beyond ASCII needs the parameter SMTPUTF8\r\n"
EHLO_FIRST = b"503 5.5.1 Say EHLO first\r\n"
MAIL_FIRST = b"503 5.5.1 Say MAIL FROM first\r\n"
NO_VALID_RECIPIENTS = b"554 5.5.1 There is no valid recipient\r\n"
ALREADY_BEGUN = b"503 5.5.1 A transaction has begun already\r\n"
CHUNKS_BEGUN = b"503 5.5.1 The content comes in chunks\r\n"
CHUNKS_FAILED = b"503 5.5.1 An earlier chunk was refused\r\n"
AUTH_NOT_NOW = b"503 5.5.1 Not now\r\n"
ALREADY_SIGNED_IN = b"503 5.5.1 Signed in already\r\n"
ALREADY_ENCRYPTED = b"503 5.5.1 TLS is on already\r\n"
NO_TLS = b"502 5.5.1 There is no TLS here\r\n"
NO_AUTH = b"502 5.5.1 There is no sign-in here\r\n"
TLS_NEEDED = b"538 5.7.11 Encrypt the connection before you sign in: STARTTLS\r\n"
UNKNOWN_MECHANISM = b"504 5.5.4 There is no such mechanism: PLAIN and LOGIN are offered\r\n"
NOT_BASE64 = b"501 5.5.2 This can't be read as base64\r\n"
AUTH_CANCELLED = b"501 5.0.0 Cancelled\r\n"
SIGN_IN_REFUSED = b"535 5.7.8 This is no valid API token of scope send\r\n"
SIGN_IN_LATER = b"454 4.7.0 The sign-in can't be checked now, try again later\r\n"
SIGN_IN_NEEDED = b"530 5.7.0 Sign in first: the password is an API token\r\n"
TOO_MANY_RECIPIENTS = b"452 4.5.3 Too many recipients, send the rest in another transaction\r\n"
NO_ROOM = b"452 4.3.1 There is no room for mail now, try again later\r\n"
STORAGE_BUSY = b"451 4.3.0 The storage is busy, try again later\r\n"
REPORT_TAKEN = b"250 2.0.0 Report taken\r\n"
CLIENT_REVOKED = b"554 5.7.1 This API client is revoked\r\n"
FAULT = b"451 4.3.0 Local error, try again later\r\n"
STOPPING = b"421 4.3.2 Closing, try again later\r\n"
TOO_MANY_CONNECTIONS = b"421 4.7.0 Too many connections from your address\r\n"
FULL_HOUSE = b"421 4.3.2 Too many connections, try again later\r\n"

BARE_LINE_END = b"550 5.6.11 A bare CR or LF: only CR LF ends a line\r\n"
NUL_OCTET = b"550 5.6.0 A NUL octet, which mail can't hold: encode the file, as base64 does\r\n"
ENDLESS_LINE = b"500 5.5.6 The line has no end\r\n"
NOT_SMTP = b"554 5.5.1 This is SMTP, not HTTP\r\n"
AFTER_STARTTLS = b"554 5.5.1 Nothing may follow STARTTLS before TLS\r\n"
TOO_MANY_ERRORS = b"421 4.7.0 Too many errors\r\n"
TOO_MANY_COMMANDS = b"421 4.7.0 Too many commands without mail\r\n"
TOO_MANY_SIGN_INS = b"421 4.7.0 Too many tries to sign in\r\n"
TOO_SLOW = b"421 4.4.2 Too slow\r\n"
TOO_LONG_A_SESSION = b"421 4.4.2 The session has lasted long enough\r\n"


def text_reply(code: int, enhanced: str, text: str) -> bytes:
    """A reply of one line; whatever `text` holds, it stays one bounded line."""
    return f"{code} {enhanced} {printable(text, _TEXT_CHARACTERS)}".encode("ascii", "replace") + b"\r\n"


def bad_address(problem: str) -> bytes:
    return text_reply(553, "5.1.3", problem)


def too_large(limit_bytes: int) -> bytes:
    return text_reply(552, "5.3.4", f"The message is larger than {limit_bytes} octets")


def greeting(host_name: str) -> bytes:
    return f"220 {host_name} ESMTP Postroom\r\n".encode("ascii")


def listed(lines: Sequence[str]) -> bytes:
    """A reply 250 of several lines."""
    *before, last = lines
    return "".join([*(f"250-{line}\r\n" for line in before), f"250 {last}\r\n"]).encode("ascii")
