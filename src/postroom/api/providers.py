"""Providers: what each asks of a server's settings, for scripts that create servers."""

from dataclasses import asdict
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema

from postroom.policy.preset import Preset, presets

from .access import READING
from .schemas import LimitsIn
from .strict_parser import refuse_unknown_query

router = Router(tags=["SMTP servers"])


class ProviderHost(Schema):
    """`region` is "" where there is only one host."""

    host: str
    region: str


class ProviderPort(Schema):
    port: int
    security: str


class ProviderOut(Schema):
    """`hosts` and `ports` begin with the usual one; `hosts` is empty where each customer has one of its own.
    `username` is the one that everybody enters, "" where it is one's own. `basis` is `vendor` where `source` is the
    provider's own page, `two-sources` where public sources agree (`source` and `also`), "" for servers of one's own."""

    slug: str
    name: str
    kind: str
    hosts: list[ProviderHost]
    ports: list[ProviderPort]
    auth: str
    username: str
    limits: LimitsIn
    basis: str
    source: str
    also: list[str]
    checked: str


class Providers(Schema):
    providers: list[ProviderOut]


@router.get("/providers", auth=READING, response=Providers, summary="List providers and their settings")
def list_providers(request: HttpRequest) -> dict[str, Any]:
    refuse_unknown_query(request)
    return {"providers": [provider_json(each) for each in presets().values()]}


def provider_json(each: Preset) -> dict[str, Any]:
    own = [{"host": region.host, "region": region.name} for region in each.regions]
    return {
        "slug": each.slug,
        "name": each.name,
        "kind": str(each.group),
        "hosts": own or [{"host": host, "region": ""} for host in each.hosts],
        "ports": [{"port": way.port, "security": str(way.security)} for way in each.ways],
        "auth": str(each.auth),
        "username": each.username,
        "limits": asdict(each.limits),
        "basis": str(each.basis or ""),
        "source": each.source,
        "also": list(each.also),
        "checked": each.checked.isoformat() if each.checked else "",
    }
