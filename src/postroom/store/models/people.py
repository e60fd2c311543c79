"""Who gets reports and other mail of this installation: recipients and the groups that gather them."""

from django.db import models

from postroom.store.ids import new_id


class Recipient(models.Model):
    """A person who gets mail; need not be a user. `address` is as entered, `address_key` as `terms.address.canonical`
    makes it. Empty `language` and `time_zone` mean those of the installation. `values` are further facts by name, such
    as a region, for templates and for who gets which file."""

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    name = models.CharField(max_length=150, blank=True)
    address = models.CharField(max_length=254)
    address_key = models.CharField(max_length=254, unique=True)
    language = models.CharField(max_length=8, blank=True, db_default="")
    time_zone = models.CharField(max_length=64, blank=True, db_default="")
    values = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = (models.Index(fields=("name", "id"), name="recipient_name"),)


class RecipientGroup(models.Model):
    """Recipients that get the same mail."""

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    name = models.CharField(max_length=100, unique=True)
    description = models.CharField(max_length=300, blank=True, db_default="")
    members = models.ManyToManyField(Recipient, through="GroupMember", related_name="groups")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name",)


class GroupMember(models.Model):
    """One recipient in one group."""

    group = models.ForeignKey(RecipientGroup, on_delete=models.CASCADE, related_name="memberships")
    recipient = models.ForeignKey(Recipient, on_delete=models.CASCADE, related_name="memberships")
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("group", "recipient"), name="group_member_once"),)


class RecipientImport(models.Model):
    """A file of recipients that was taken. `undo` says how to take it back: {"added": ids, "changed": {id: values
    before}, "members": [[group, recipient]], "groups": ids}; {} once that is no longer possible."""

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    at = models.DateTimeField()
    by = models.CharField(max_length=254)
    file_name = models.CharField(max_length=255, blank=True, db_default="")
    added = models.IntegerField(default=0)
    changed = models.IntegerField(default=0)
    left_out = models.IntegerField(default=0)
    undo = models.JSONField(default=dict)
    undone_at = models.DateTimeField(null=True)
