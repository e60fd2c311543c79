"""The submission door as it is set in the environment, and its sockets, which the supervisor owns."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from postroom.net.listening import Listened
from postroom.policy.submission import Endpoint, TrustedNetworks, endpoints

from .listener import Listener, inherited_socket, listening_socket, port_of

ADDRESSES, TRUST = "POSTROOM_SUBMISSION", "POSTROOM_SUBMISSION_TRUST"
CERTIFICATE, KEY = "POSTROOM_SUBMISSION_CERTIFICATE", "POSTROOM_SUBMISSION_KEY"


class Opened(NamedTuple):
    """A listening socket and the endpoint that it was opened for, with the port that it really has."""

    listener: Listener
    endpoint: Endpoint


def opened_sockets(environment: Mapping[str, str]) -> list[Opened]:
    """The sockets that the environment asks for. Raises ListenRefused, ValueError."""
    opened = []
    for endpoint in endpoints(environment.get(ADDRESSES, "")):
        listener = listening_socket(endpoint.host, endpoint.port)
        opened.append(Opened(listener, endpoint._replace(port=port_of(listener))))
    return opened


def as_setting(opened: Sequence[Opened]) -> str:
    """The endpoints as they are written in the environment, for pages to show."""
    return ",".join(f"{o.endpoint}{'/tls' if o.endpoint.is_encrypted else ''}" for o in opened)


def as_argument(opened: Sequence[Opened]) -> str:
    """The sockets as the child hears of them: "7,8/tls"."""
    return ",".join(f"{o.listener.fileno()}{'/tls' if o.endpoint.is_encrypted else ''}" for o in opened)


def inherited(argument: str) -> list[Listened]:
    """The sockets of `as_argument`."""
    words = [word.partition("/") for word in argument.split(",")]
    return [Listened(inherited_socket(int(number)), bool(tls)) for number, _, tls in words]


def announced(environment: Mapping[str, str], opened: Sequence[Opened]) -> list[str]:
    """What the start says of the door."""
    places = " and ".join(f"{o.endpoint}{' (TLS)' if o.endpoint.is_encrypted else ''}" for o in opened)
    lines = [f"Postroom takes mail over SMTP at {places}."]
    if not environment.get(CERTIFICATE):
        lines.append(f"Its certificate is one that it signed itself; name a trusted one in {CERTIFICATE}.")
    if trusted := TrustedNetworks.parse(environment.get(TRUST, "")):
        lines.append(f"Whoever is in {trusted} needs no sign-in.")
    return lines
