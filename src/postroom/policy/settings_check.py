"""Are a server's settings complete and well-formed? Each problem names the field and the remedy."""

from collections.abc import Iterator

from cryptography import x509

from postroom.terms.address import AddressProblem, parse_address
from postroom.terms.host_name import HostReading, host_reading
from postroom.terms.limits import BOUNCE_LOCAL_PART_BYTES, SMTP_PORT, SUBMISSION_PORT, SUBMISSIONS_PORT
from postroom.terms.problem import FieldError
from postroom.terms.server import Auth, Security, ServerSettings
from postroom.terms.wording import worded

from .ports import Ports

NAME_LENGTH = 100
TEXT_LENGTH = 500

SECURITY_NAMES = {Security.NONE: "None", Security.STARTTLS: "STARTTLS", Security.TLS: "SSL/TLS"}
USUAL_PORTS = {Security.NONE: SMTP_PORT, Security.STARTTLS: SUBMISSION_PORT, Security.TLS: SUBMISSIONS_PORT}


def problems_of(settings: ServerSettings, *, password_given: bool, allowed_ports: Ports) -> list[FieldError]:
    """Everything that must change before the settings can be saved or tested, in the order of the form."""
    return [
        *_text_problems(settings),
        *_address_problems(settings),
        *_host_problems(settings.host),
        *_port_problems(settings.port, allowed_ports),
        *_sign_in_problems(settings, password_given),
        *_advanced_problems(settings),
    ]


def warnings_of(settings: ServerSettings) -> list[FieldError]:
    """What is unusual, yet may be meant: a port that goes with another SSL choice, an unchecked certificate."""
    found = []
    for security, port in USUAL_PORTS.items():
        unusual = settings.port == port and settings.security is not security
        if unusual and not (port == SMTP_PORT and settings.security is Security.STARTTLS):
            text = worded("Port {port} usually goes with {security}.", port=port, security=SECURITY_NAMES[security])
            found.append(FieldError("security", "unusual-port", text, {"security": str(security)}))
    if not settings.verify_certificate and settings.security is not Security.NONE:
        text = worded("The certificate is not checked: whoever sits on the path can read the password and the mail.")
        found.append(FieldError("verify_certificate", "unchecked-certificate", text))
    if settings.auth is Auth.PASSWORD and settings.security is Security.NONE and settings.allow_plain_auth:
        text = worded("The password may travel without encryption.")
        found.append(FieldError("allow_plain_auth", "plain-password", text))
    return found


def _text_problems(settings: ServerSettings) -> Iterator[FieldError]:
    if not settings.name.strip():
        yield FieldError("name", "required", worded("Enter a name for this server, such as Internal relay."))
    for field, value, longest in (
        ("name", settings.name, NAME_LENGTH),
        ("description", settings.description, TEXT_LENGTH),
        ("from_name", settings.from_name, NAME_LENGTH),
        ("subject_prefix", settings.subject_prefix, NAME_LENGTH),
        ("username", settings.username, TEXT_LENGTH),
    ):
        if len(value) > longest:
            yield FieldError(field, "too-long", worded("Shorten this to {most} characters.", most=longest))
        if _has_control(value):
            yield FieldError(field, "control", worded("Remove the line breaks and control characters."))


def _has_control(text: str) -> bool:
    return any(ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u2028\u2029" for c in text)


def _address_problems(settings: ServerSettings) -> Iterator[FieldError]:
    for field, value, example in (
        ("from_address", settings.from_address, "reports@company.example"),
        ("test_recipient", settings.test_recipient, "your own address"),
    ):
        if not value.strip():
            if field == "from_address":
                text = worded("Enter the address that messages come from, such as {example}.", example=example)
                yield FieldError(field, "required", text)
            continue
        try:
            address = parse_address(value)
        except AddressProblem as problem:
            yield FieldError(field, "address", str(problem))
        else:
            if field == "from_address" and "." not in address.domain and not address.domain.startswith("["):
                text = worded("Add the rest of the domain, such as {value}.example.", value=value.strip())
                yield FieldError(field, "address", text)


_FLAWS = {
    "space": worded("Remove the spaces from the host name."),
    "scheme": worded("Enter the host name alone, without http:// or the like."),
    "port": worded("Enter the port in SMTP Port and only the name here."),
    "path": worded("Enter the bare host name, without a path."),
    "user": worded("Enter the bare host name; the user name has a field of its own."),
    "brackets": worded("Enter the address without brackets."),
    "trailing-dot": worded("Remove the dot at the end."),
}


def _host_problems(typed: str) -> Iterator[FieldError]:
    reading = host_reading(typed)
    if reading.flaw == "empty":
        yield FieldError(
            "host", "required", worded("Enter the mail server's name or address, such as smtp.company.example.")
        )
    elif reading.flaw == "zone":
        yield FieldError("host", "zone", worded("Enter the address without a zone (the part after %)."))
    elif reading.flaw == "invalid":
        text = worded("This is neither a host name nor an address. Enter one such as smtp.company.example.")
        yield FieldError("host", "invalid", text)
    elif reading.flaw:
        yield FieldError("host", reading.flaw, _FLAWS[reading.flaw], _suggestion(reading))


def _suggestion(reading: HostReading) -> dict[str, str | int]:
    found: dict[str, str | int] = {"host": reading.host}
    if reading.port is not None and 1 <= reading.port <= 65_535:
        found["port"] = reading.port
    return found


def _port_problems(port: int, allowed: Ports) -> Iterator[FieldError]:
    if not 1 <= port <= 65_535:
        yield FieldError("port", "range", worded("Enter a number from 1 to 65535, usually 25, 465 or 587."))
    elif port not in allowed:
        more = f"{allowed},{port}".replace(", ", ",")
        text = worded(
            "Mail goes to the ports {ports} only. To allow this one, start with POSTROOM_SMTP_PORTS={more}.",
            ports=str(allowed), more=more,
        )
        yield FieldError("port", "not-allowed", text)


def _sign_in_problems(settings: ServerSettings, password_given: bool) -> Iterator[FieldError]:
    if settings.auth is not Auth.PASSWORD:
        return
    if not settings.username:
        yield FieldError("username", "required", worded("Enter the user name, or choose None under Authentication."))
    if not password_given:
        yield FieldError("password", "required", worded("Enter the password, or choose None under Authentication."))


def _bounce_problems(value: str) -> Iterator[FieldError]:
    if not value.strip():
        return
    try:
        address = parse_address(value)
    except AddressProblem as problem:
        yield FieldError("bounce_address", "address", str(problem))
        return
    if address.needs_smtputf8 or len(address.local_part) > BOUNCE_LOCAL_PART_BYTES or address.domain.startswith("["):
        text = worded(
            "Enter an address whose part before @ has at most {most} letters and digits, such as {example}:"
            " a token follows it.", most=BOUNCE_LOCAL_PART_BYTES, example="bounces@company.example",
        )
        yield FieldError("bounce_address", "too-long", text)


def _advanced_problems(settings: ServerSettings) -> Iterator[FieldError]:
    yield from _bounce_problems(settings.bounce_address)
    if settings.ehlo_name and host_reading(settings.ehlo_name) != HostReading(settings.ehlo_name.strip()):
        yield FieldError(
            "ehlo_name", "invalid", worded("Enter this machine's full name, such as reports.company.example.")
        )
    if settings.ca_pem.strip():
        try:
            x509.load_pem_x509_certificates(settings.ca_pem.encode())
        except ValueError:
            text = worded("Paste the certificate as text that begins with -----BEGIN CERTIFICATE-----.")
            yield FieldError("ca_pem", "invalid", text)
    for field in ("connections", "messages_per_connection", "messages_per_minute", "messages_per_day",
                  "recipients_per_message", "size_bytes"):
        value = getattr(settings.limits, field)
        if value is not None and value < 1:
            yield FieldError(f"limits.{field}", "range", worded("Enter a number of at least 1, or leave it empty."))
