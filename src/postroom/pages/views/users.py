"""People who may sign in: add, change, switch off, give a new password."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from postroom.flow.instance.instance import LANGUAGES
from postroom.flow.instance.reader import translated
from postroom.flow.instance.refusals import NotPossible
from postroom.flow.notices.account_mail import is_held_back
from postroom.flow.users.account_links import INVITED_FOR, address_of, invited_again, invited_user
from postroom.flow.users.people import PersonRefused, change_user, created_user, new_password, reset_password
from postroom.pages import shown_once
from postroom.pages.access import administrator_only, person
from postroom.store.models import AccountLink, User

ROLES = {
    "viewer": (gettext_lazy("Viewer"), gettext_lazy("reads every page, changes nothing")),
    "operator": (gettext_lazy("Operator"), gettext_lazy("writes, retries, cancels and resends messages")),
    "administrator": (gettext_lazy("Administrator"), gettext_lazy("changes everything")),
}


@administrator_only
@never_cache
@require_http_methods(["GET", "POST"])
def users(request: HttpRequest) -> HttpResponse:
    """Everybody who has an account; the form invites somebody by mail, or adds one with a password, shown once."""
    if request.method == "GET":
        return _list(request, {**_new_password(request), **_new_link(request)})
    typed = {name: request.POST.get(name, "").strip()[:300] for name in ("name", "email", "role", "way")}
    password = new_password()
    try:
        if typed["way"] == "invite":
            return _invited(request, typed)
        user = created_user(
            typed["email"], name=typed["name"], role=typed["role"], password=password, actor=person(request).email
        )
    except PersonRefused as refusal:
        return _list(request, {"typed": typed, "problems": {refusal.field: refusal.text}}, 422)
    shown_once.keep(request, f"password:{user.pk}", password)
    return redirect(f"{reverse('pages:users')}?new={user.pk}")


@administrator_only
@require_http_methods(["GET", "POST"])
def user(request: HttpRequest, user_id: str) -> HttpResponse:
    """One person's name and role, and whether they may sign in."""
    row = get_object_or_404(User, pk=user_id)
    typed: dict[str, Any] = {"name": row.name, "role": row.role, "active": row.is_active}
    if request.method == "GET":
        return _form(request, row, typed, {}, 200)
    typed = {
        "name": request.POST.get("name", "")[:300], "role": request.POST.get("role", ""),
        "active": request.POST.get("active") == "on",
    }
    try:
        change_user(
            row, name=typed["name"], role=typed["role"], is_active=typed["active"], actor=person(request).email
        )
    except PersonRefused as refusal:
        return _form(request, row, typed, {refusal.field: refusal.text}, 422)
    messages.success(request, _("%(name)s is saved.") % {"name": typed["name"]})
    return redirect("pages:users")


@administrator_only
@require_POST
def password(request: HttpRequest, user_id: str) -> HttpResponse:
    """A new password for the person, shown once; what was open with the old one ends (T10)."""
    row = get_object_or_404(User, pk=user_id)
    if row.pk == person(request).pk:
        # Else a session left open would be enough to take the account over, and its owner would be locked out.
        text = _("Your own password is changed in your account, where the present one is asked for.")
        messages.error(request, text)
        return redirect("pages:account")
    fresh = new_password()
    try:
        reset_password(row.email, password=fresh, actor=person(request).email)
    except PersonRefused as refusal:
        messages.error(request, translated(refusal.text))
        return redirect("pages:users")
    shown_once.keep(request, f"password:{row.pk}", fresh)
    return redirect(f"{reverse('pages:users')}?new={row.pk}")


@administrator_only
@require_POST
def invite_again(request: HttpRequest, user_id: str) -> HttpResponse:
    """A new link by mail; the earlier one no longer works."""
    row = get_object_or_404(User, pk=user_id)
    try:
        link = invited_again(row, actor=person(request).email, now=timezone.now())
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
        return redirect("pages:users")
    return _link_page(request, row, link)


def _invited(request: HttpRequest, typed: dict[str, str]) -> HttpResponse:
    """Raises PersonRefused."""
    link = invited_user(
        typed["email"], name=typed["name"], role=typed["role"], actor=person(request).email, now=timezone.now()
    )
    return _link_page(request, get_object_or_404(User, pk=link.user_id), link)


def _link_page(request: HttpRequest, row: User, link: AccountLink) -> HttpResponse:
    shown_once.keep(request, f"link:{row.pk}", address_of(link))
    return redirect(f"{reverse('pages:users')}?invited={row.pk}")


def _new_link(request: HttpRequest) -> dict[str, Any]:
    row = User.objects.filter(pk=request.GET.get("invited", "")[:26]).first()
    link = shown_once.take(request, f"link:{row.pk}") if row else ""
    if row is None or not link:
        return {}
    return {"link": link, "link_of": row, "is_held_back": is_held_back(row.email, timezone.now())}


def _new_password(request: HttpRequest) -> dict[str, Any]:
    row = User.objects.filter(pk=request.GET.get("new", "")[:26]).first()
    fresh = shown_once.take(request, f"password:{row.pk}") if row else ""
    return {"password": fresh, "password_of": row} if fresh else {}


def _list(request: HttpRequest, more: dict[str, Any], status: int = 200) -> HttpResponse:
    rows = [
        {
            "user": row, "role": ROLES[row.role][0], "language": LANGUAGES.get(row.language, ""),
            "invited": row.is_active and not row.has_usable_password(),
        }
        for row in User.objects.order_by("name", "email")
    ]
    context = {
        "crumbs": [(_("Administration"), ""), (_("Access"), ""), (_("Users"), "")],
        "rows": rows, "roles": ROLES, "typed": {"role": "viewer", "way": "invite"},
        "problems": {}, "invited_days": INVITED_FOR.days, **more,
    }
    return render(request, "pages/users.html", context, status=status)


def _form(
    request: HttpRequest, row: User, typed: dict[str, Any], problems: dict[str, str], status: int
) -> HttpResponse:
    context = {
        "crumbs": [
            (_("Administration"), ""), (_("Access"), ""), (_("Users"), reverse("pages:users")), (row.name, ""),
        ],
        "row": row, "roles": ROLES, "typed": typed, "problems": problems,
    }
    return render(request, "pages/user.html", context, status=status)
