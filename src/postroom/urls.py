"""Every address below which Django answers."""

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("postroom.pages.urls")),
]

handler404 = "postroom.pages.views.errors.not_found"
handler500 = "postroom.pages.views.errors.failed"
