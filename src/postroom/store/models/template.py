"""Texts of mail with places for values, in versions and languages."""

from django.db import models

from postroom.store.ids import new_id


class Template(models.Model):
    """A named template. `name` is what API clients write (`report-delivery`); `version` is the number in use, 0 while
    there is none. `use` is one of report, success, warning, error, password-reset, invitation, alert, digest,
    announcement, other. A `built_in` one can be changed and set back, and is never deleted."""

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    name = models.CharField(max_length=64, unique=True)
    title = models.CharField(max_length=150)
    description = models.CharField(max_length=300, blank=True, db_default="")
    use = models.CharField(max_length=16, db_default="other", default="other")
    built_in = models.BooleanField(default=False)
    version = models.IntegerField(default=0)
    sample = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("title",)


class TemplateText(models.Model):
    """One language of one version; never changed after it was written. An empty `text` is made from `html`."""

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    template = models.ForeignKey(Template, on_delete=models.CASCADE, related_name="texts")
    version = models.IntegerField()
    language = models.CharField(max_length=8)
    subject = models.CharField(max_length=998)
    html = models.TextField(blank=True)
    text = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=254, blank=True, db_default="")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("template", "version", "language"), name="template_text_once"),
        )
