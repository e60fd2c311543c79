"""The Django application of the pages: templates and static files."""

from django.apps import AppConfig


class PagesConfig(AppConfig):
    name = "postroom.pages"
    label = "pages"
