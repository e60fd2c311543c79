"""Secrets that were written where everybody may read them."""

from urllib.parse import urlsplit

import pytest

from postroom.policy.plain_secret import is_secret_field, secret_part


@pytest.mark.parametrize(
    "name",
    [
        "Authorization", "proxy-authorization", "X-Api-Key", "x-apikey", "apiKey", "Cookie", "X-Auth-Token",
        "PRIVATE-TOKEN", "X-Vault-Token", "Ocp-Apim-Subscription-Key", "X-Functions-Key", "X-Client-Secret",
        "X-Password", "X-Amz-Signature", "X-Session", "X-Auth", "Set-Cookie",
    ],
)
def test_a_field_that_carries_a_secret_is_known_by_its_name(name: str) -> None:
    assert is_secret_field(name, "anything")


@pytest.mark.parametrize(
    "value",
    [
        "Bearer canary-7f3a", "basic dXNlcjpwYXNz", "Token 0a1b2c3d4e",
        "eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.c2lnbmF0dXJl",
        "ghp_0123456789abcdefABCD", "glpat-0123456789abcdefABCD", "AKIAIOSFODNN7EXAMPLE",
    ],
)
def test_a_value_in_the_form_of_a_token_is_a_secret_under_any_name(value: str) -> None:
    assert is_secret_field("X-Department", value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Accept-Language", "fr"), ("Accept", "text/csv"), ("X-Tenant", "north"), ("User-Agent", "Reports/2.0"),
        ("X-Report-Day", "{today}"), ("Prefer", "return=minimal"), ("X-Keyboard", "qwerty"), ("X-Plan", "basic report"),
        ("X-Auth-Email", "reports@company.example"),
    ],
)
def test_other_fields_stay_readable(name: str, value: str) -> None:
    assert not is_secret_field(name, value)


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("https://a.example/r?token=abc", "token"), ("https://a.example/r?day=1&api_key=abc", "api_key"),
        ("https://a.example/r?accessToken={token}", "accessToken"), ("https://a.example/r?password=x", "password"),
        ("https://a.example/r?key=Zx81kQ0pLm4TrW9v", "key"),
        ("https://a.example/r?sv=1&sig=aB3%2Bd%2F9xYzQ7kLm0%3D", "sig"),
        ("https://a.example/r#access_token=abc", "access_token"),
        ("https://a.example/hooks/xoxb-1234567890-abc", "path"),
        ("https://a.example/r?x=ghp_0123456789abcdefABCD", "x"),
        ("https://a.example/r?code=0123456789abcdef0123456789abcdef", "code"),
    ],
)
def test_an_address_with_a_token_is_told_from_others(url: str, part: str) -> None:
    assert secret_part(urlsplit(url)) == part


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/sales.csv", "https://a.example/r?day={today}&region=north", "https://a.example/r?key=sales",
        "https://a.example/r?token=", "https://a.example/r?code=fr&sort_key=name", "https://a.example/r?tokens=5",
        "https://a.example/r?session=winter-semester-2026",
    ],
)
def test_other_addresses_are_taken(url: str) -> None:
    assert secret_part(urlsplit(url)) == ""
