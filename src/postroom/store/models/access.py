"""Who may do what, and what they did."""

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models

from postroom.store.ids import new_id


class Users(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None, **values: Any) -> "User":
        user = self.model(email=self.normalize_email(email), **values)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractBaseUser):
    """A person who signs in with an e-mail address. Without `language` the browser's wish decides."""

    class Role(models.TextChoices):
        ADMINISTRATOR = "administrator"
        OPERATOR = "operator"
        VIEWER = "viewer"

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    email = models.EmailField(unique=True, max_length=254)
    name = models.CharField(max_length=150)
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.VIEWER)
    time_zone = models.CharField(max_length=64, default="UTC")
    language = models.CharField(max_length=8, blank=True, db_default="")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[Users] = Users()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    @property
    def is_administrator(self) -> bool:
        return self.role == self.Role.ADMINISTRATOR


class ApiToken(models.Model):
    """A bearer token of an API client. Only a digest is stored; the token is shown once."""

    class Scope(models.TextChoices):
        ADMIN = "admin"
        SEND = "send"
        READ = "read"

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    name = models.CharField(max_length=100)
    scope = models.CharField(max_length=8, choices=Scope.choices)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=254, blank=True)
    last_used_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)


class AuditEntry(models.Model):
    """One change of settings, secrets, tokens or queue, written in the commit of the change; holds no secret (O2)."""

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor = models.CharField(max_length=254)
    action = models.CharField(max_length=64)
    subject = models.CharField(max_length=254)
    changes = models.JSONField(default=dict)

    class Meta:
        indexes = (
            models.Index(fields=("subject",), name="audit_subject"),
            models.Index(fields=("actor", "id"), name="audit_actor"),
            models.Index(fields=("action", "id"), name="audit_action"),
        )
