"""E6: there is one door. Only net/ resolves names and dials; the listeners of the doors listen and do nothing else."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.house.sources import PACKAGE, python_files, shown, tree_of

# Modules whose import means reaching for the network.
NETWORK = {
    "socket", "_socket", "socketserver", "ssl", "http.client", "http.server", "urllib.request", "smtplib", "imaplib",
    "poplib", "ftplib", "telnetlib", "xmlrpc", "dns", "httpx", "httpcore", "requests", "urllib3", "aiosmtpd", "uvicorn",
    "django.core.mail",
}
# What the doors' listeners may import to listen.
LISTENERS = {
    "cli/bounded_connection.py": {"uvicorn"},
    "cli/listener.py": {"socket"},
    "cli/serve.py": {"uvicorn"},
    "cli/web_connection.py": {"uvicorn"},
    "sandbox/server.py": {"socket"},
}
# Calls that resolve or dial, whatever object they hang on.
DIALING = {
    "create_connection", "create_unix_connection", "create_datagram_endpoint", "open_connection",
    "open_unix_connection", "sock_connect", "connect_ex", "getaddrinfo", "gethostbyname", "gethostbyname_ex",
    "gethostbyaddr", "getfqdn", "urlopen", "send_mail",
}
OUTSIDE_NET = [path for path in python_files(PACKAGE) if PACKAGE / "net" not in path.parents]


@pytest.mark.parametrize("path", OUTSIDE_NET, ids=shown)
def test_only_net_resolves_names_and_dials(path: Path) -> None:
    allowed = LISTENERS.get(path.relative_to(PACKAGE).as_posix(), set())
    tree = tree_of(path)
    assert [f"line {line}: imports {name}" for line, name in network_imports(tree) if _root(name) not in allowed] == []
    assert [f"line {line}: calls {name}" for line, name in dialing_calls(tree)] == []


def test_the_search_finds_each_way_to_reach_out() -> None:
    tree = ast.parse("import smtplib as s\nfrom http import client\nfrom dns import resolver\nloop.getaddrinfo(a)\n")
    assert {name for _, name in network_imports(tree)} == {"smtplib", "http.client", "dns.resolver"}
    assert [name for _, name in dialing_calls(tree)] == ["getaddrinfo"]


def network_imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, module) of each import of a module of NETWORK."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from ((node.lineno, name) for name in names if _root(name))


def dialing_calls(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, name) of each use of a name of DIALING."""
    for node in ast.walk(tree):
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if name in DIALING:
            yield getattr(node, "lineno", 0), name


def _root(name: str) -> str:
    """The module of NETWORK that `name` is or lies in, else ""."""
    return next((module for module in NETWORK if f"{name}.".startswith(f"{module}.")), "")
