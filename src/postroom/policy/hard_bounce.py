"""Which reports mean that an address takes no mail any more, so that nothing more is sent there."""

# Enhanced status codes (RFC 3463 section 3, or as named) that speak of the address itself.
_OF_THE_ADDRESS = {
    "5.1.1": "RFC 3463 3.2: bad destination mailbox address",
    "5.1.2": "RFC 3463 3.2: bad destination system address",
    "5.1.3": "RFC 3463 3.2: bad destination mailbox address syntax",
    "5.1.6": "RFC 3463 3.2: the mailbox has moved, no forwarding address",
    "5.1.10": "RFC 7505 4.2: the recipient's domain has a null MX",
    "5.2.1": "RFC 3463 3.3: the mailbox is disabled",
    "5.4.4": "RFC 3463 3.5: unable to route, as for a domain that is gone",
}
# Codes that say nothing by themselves, so that the server's words decide: general ones; what Exchange Online answers
# for addresses that its directory does not have; what older servers answer for any mailbox (RFC 3463 3.6).
_UNDECIDED = frozenset(("", "5.0.0", "5.4.1", "5.5.0"))
# Causes (diagnosis) that are about the address.
_ABOUT_THE_ADDRESS = frozenset(("recipient-unknown", "recipient-disabled", "dns-recipient-domain-no-mx"))
# Causes that pass, or that are about the sender or the content, whatever code came with them.
_NOT_THE_ADDRESS = frozenset((
    "recipient-mailbox-full", "recipient-mailbox-throttled", "recipient-greylisted", "recipient-restricted",
    "recipient-deferred", "relay-denied", "content-spam-rejected", "message-refused-by-policy", "spf-fail",
    "client-ip-on-blocklist", "sender-refused-by-policy", "dmarc-reject", "sandbox-recipient-unverified",
))


def is_hard_bounce(status: str, cause: str, *, cause_is_certain: bool) -> bool:
    """Whether a permanent failure with this enhanced status code ("" for none) and cause is the address's own.

    Never for policy (5.7.x), a full mailbox (5.2.2), or anything that the code or the words leave open."""
    if cause in _NOT_THE_ADDRESS:
        return False
    if status in _OF_THE_ADDRESS:
        return True
    return status in _UNDECIDED and cause_is_certain and cause in _ABOUT_THE_ADDRESS
