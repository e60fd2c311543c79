"""The newest stored content of those that no transaction under way can add to.

Numbers of rows are given before their commit. On PostgreSQL a row can so come to light below one that is there already;
whoever takes the newest number for the end of what there is would take such a content for one that no message has.
"""

from django.db import connection, transaction

from .models import Content


def newest_content() -> int:
    """Its number: each content up to it is committed together with its message; 0 where there is none (blocking)."""
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("LOCK TABLE store_content IN SHARE MODE")  # once those who insert have ended
        return Content.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
