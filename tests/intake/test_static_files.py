"""Static files: served from memory, cached, and never from outside their folders."""

import gzip

import httpx
import pytest

from postroom.intake.static_files import StaticFiles


@pytest.fixture
async def browser() -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(StaticFiles()), base_url="http://postroom.test")


def some_script() -> str:
    return next(path for path in StaticFiles()._files if path.endswith(".js"))


async def test_a_script_comes_with_its_type_and_is_asked_for_again(browser: httpx.AsyncClient) -> None:
    answer = await browser.get(some_script())
    assert answer.status_code == 200
    assert "javascript" in answer.headers["Content-Type"]
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    again = await browser.get(some_script(), headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_a_browser_that_takes_gzip_gets_the_same_octets(browser: httpx.AsyncClient) -> None:
    plain = await browser.get(some_script(), headers={"Accept-Encoding": "identity"})
    async with browser.stream("GET", some_script(), headers={"Accept-Encoding": "gzip"}) as packed:
        octets = b"".join([chunk async for chunk in packed.aiter_raw()])
    assert "Content-Encoding" not in plain.headers
    assert gzip.decompress(octets) == plain.content


@pytest.mark.parametrize("path", ["/static/", "/static/..%2f..%2fsettings.py", "/static//etc/passwd", "/static/%00"])
async def test_nothing_else_is_found(browser: httpx.AsyncClient, path: str) -> None:
    assert (await browser.get(path)).status_code == 404


async def test_only_reading_is_allowed(browser: httpx.AsyncClient) -> None:
    assert (await browser.post(some_script())).status_code == 405
    head = await browser.head(some_script())
    assert (head.status_code, head.content) == (200, b"")
