"""The options of `postroom server` that are settings, called as those of `postroom diagnose` where it has them."""

import argparse
import sys
from pathlib import Path
from typing import Any

from postroom.policy.settings_check import USUAL_PORTS
from postroom.terms.server import Auth, FromPolicy, Limits, Security, ServerSettings, UncertainPolicy

from .refused import Usage

BY_PURPOSE = "by-purpose"
_NO_LIMIT = "none"
_LIMITS = tuple(Limits.__dataclass_fields__)
# Options whose value is the setting of the same name.
_PLAIN = (
    "description", "from_name", "from_address", "subject_prefix", "host", "port", "security", "test_recipient",
    "ehlo_name", "verify_certificate", "allow_plain_auth", "from_policy", "bounce_address",
)


def add_settings_options(parser: argparse.ArgumentParser, *, adding: bool) -> None:
    """The settings of a server; whoever adds one must say where it is and who its mail is from."""
    parser.add_argument("--description", metavar="TEXT")
    parser.add_argument("--from-name", help="the name that recipients see", metavar="TEXT")
    parser.add_argument("--from", "--from-address", dest="from_address", required=adding, metavar="ADDRESS")
    parser.add_argument("--subject-prefix", metavar="TEXT")
    parser.add_argument("--host", required=adding, help="the server's name or address")
    parser.add_argument("--port", type=int, help="default: the usual one of --security")
    kept = "starttls" if adding else "as it is"
    parser.add_argument("--security", choices=[str(each) for each in Security], help=f"default: {kept}")
    parser.add_argument("--username", help='"" for no sign-in')
    parser.add_argument("--password-stdin", action="store_true", help="read the password's line from standard input")
    parser.add_argument("--to", "--test-mail", dest="test_recipient", metavar="ADDRESS", help="gets the test mail")
    parser.add_argument("--ehlo-name", metavar="NAME", help="default: this machine's name")
    parser.add_argument("--ca-file", type=Path, metavar="FILE",
                        help='PEM file of further authorities to trust for this server; "" for none')
    parser.add_argument("--verify-certificate", action=argparse.BooleanOptionalAction, help="default: yes")
    parser.add_argument("--allow-plain-auth", action=argparse.BooleanOptionalAction,
                        help="send the password without TLS if need be; default: no")
    parser.add_argument("--from-policy", choices=[str(each) for each in FromPolicy],
                        help="whose From a message has; default: server")
    parser.add_argument("--uncertain", choices=[BY_PURPOSE, *map(str, UncertainPolicy)],
                        help=f"after a connection lost at the end of a message; default: {BY_PURPOSE}")
    parser.add_argument("--bounce-address", metavar="ADDRESS", help="return path for bounces")
    parser.add_argument("--limit", action="append", default=[], metavar="NAME=NUMBER",
                        help=f"{', '.join(_LIMITS)}; {_NO_LIMIT} for no limit; may be repeated")


def add_saving_options(parser: argparse.ArgumentParser) -> None:
    """How settings are saved that no live test has proven."""
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--use-unverified", action="store_true",
                     help="save without a test and take deliveries all the same; needs --reason")
    way.add_argument("--untested", action="store_true",
                     help="save without a test; it takes no deliveries until one has passed")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why it is used without a test")


def settings_given(args: argparse.Namespace, before: ServerSettings) -> dict[str, Any]:
    """What the options set, by API name; another security than before brings its usual port where none is given. Limits
    that are not named stay. Raises Usage."""
    given = {name: getattr(args, name) for name in _PLAIN if getattr(args, name) is not None}
    if given.get("security", before.security) != before.security and "port" not in given:
        given["port"] = USUAL_PORTS[Security(given["security"])]
    if args.username is not None:
        given |= {"username": args.username, "auth": str(Auth.PASSWORD if args.username else Auth.NONE)}
    if args.uncertain is not None:
        given["uncertain"] = None if args.uncertain == BY_PURPOSE else args.uncertain
    if args.ca_file is not None:
        given["ca_pem"] = _pem(args.ca_file)
    if args.limit:
        given["limits"] = {**before.as_json()["limits"], **dict(map(_limit, args.limit))}
    return given


def password_given(args: argparse.Namespace) -> str | None:
    """The first line of standard input without its line end, None where it is not to be read. Raises Usage."""
    if not args.password_stdin:
        return None
    try:
        password = sys.stdin.buffer.readline().decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise Usage("The password isn't UTF-8.") from None
    if not password:
        raise Usage("The password on standard input is empty.")
    return password


def _pem(file: Path) -> str:
    if file == Path():
        return ""
    try:
        return file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"--ca-file cannot be read: {error}") from None


def _limit(text: str) -> tuple[str, int | None]:
    name, _, number = text.partition("=")
    if name not in _LIMITS or not (number == _NO_LIMIT or (number.isascii() and number.isdecimal())):
        raise Usage(f"Write a limit as NAME=NUMBER or NAME={_NO_LIMIT}; the names are: {', '.join(_LIMITS)}.")
    return name, None if number == _NO_LIMIT else int(number)
