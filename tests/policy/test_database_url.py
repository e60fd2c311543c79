"""The address of a database: what is taken, what is refused by name, and that its password is never told."""

import pytest

from postroom.policy.database_url import DatabaseUrl, DatabaseUrlProblem

SECRET = "canary-pässword@:/"
QUOTED = "canary-p%C3%A4ssword%40%3A%2F"


def test_an_address_is_read_with_its_password_port_and_options() -> None:
    url = DatabaseUrl.parse(f"postgresql://post%40room:{QUOTED}@db.example.org/mail?sslmode=verify-full&sslrootcert=/ca")
    assert (url.host, url.port, url.name, url.user, url.password) == (
        "db.example.org", 5432, "mail", "post@room", SECRET
    )
    assert url.options == {"sslmode": "verify-full", "sslrootcert": "/ca"}
    assert DatabaseUrl.parse("postgres://p@[2001:db8::1]:5433/mail").host == "2001:db8::1"


def test_a_unix_socket_is_named_by_its_folder() -> None:
    url = DatabaseUrl.parse("postgresql://postroom@/mail?host=/run/postgresql")
    assert (url.host, url.options) == ("/run/postgresql", {})


def test_what_is_shown_of_an_address_has_no_password() -> None:
    url = DatabaseUrl.parse(f"postgresql://postroom:{QUOTED}@db.example.org/mail")
    assert "canary" not in f"{url} {url!r}"
    assert str(url) == "postgresql://postroom@db.example.org:5432/mail"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("mysql://u:canary@h/d", "mysql://"),
        ("sqlite:///var/canary.db", "sqlite://"),
        ("canary", "not of the form"),
        ("host=h password=canary", "not of the form"),
        ("postgresql://u:canary@h", "not of the form"),
        ("postgresql://u:canary@h/a/b", "not of the form"),
        ("postgresql://h/canary", "not of the form"),
        ("postgresql://u:can#ary@h/d", "not of the form"),
        ("postgresql://u:canary@h:port/d", "not of the form"),
        ("postgresql://u:canary@/d", "no host"),
        ("postgresql://u:canary@h/d?sslmode=canary", "sslmode"),
        ("postgresql://u:canary@h/d?options=-c%20synchronous_commit%3Doff", "option options"),
        ("postgresql://u:canary@h/d?connect_timeout=canary", "connect_timeout"),
    ],
)
def test_another_address_is_refused_and_nothing_secret_of_it_is_told(text: str, named: str) -> None:
    with pytest.raises(DatabaseUrlProblem, match=named) as refusal:
        DatabaseUrl.parse(text)
    assert "canary" not in str(refusal.value)
