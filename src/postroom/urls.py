"""Every address below which Django answers; the intake's two stand in front of it (`postroom.asgi`)."""

from django.urls import URLPattern, URLResolver, include, path

from postroom.api.urls import urlpatterns as api_urls

urlpatterns: list[URLPattern | URLResolver] = [
    *api_urls,
    path("", include("postroom.pages.urls")),
]

handler404 = "postroom.pages.views.errors.not_found"
handler500 = "postroom.pages.views.errors.failed"
