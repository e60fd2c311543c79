"""Recipients looked for by what people know of them."""

from django.db.models import Q, QuerySet

from postroom.store.models import Recipient
from postroom.terms.address import canonical


def recipients_like(text: str = "", group_id: str = "") -> QuerySet[Recipient]:
    """Those whose address or name holds the text, in any case of letters, and who are in the group of that id; in no
    order."""
    found = Recipient.objects.all()
    # PostgreSQL knows no text with this character.
    text, group_id = (given.replace("\x00", "").strip() for given in (text, group_id))
    if text:
        found = found.filter(Q(address_key__contains=canonical(text)) | Q(name__icontains=text))
    return found.filter(memberships__group_id=group_id) if group_id else found
