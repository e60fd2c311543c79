"""Whether a delivery that is claimed may leave: a column of the claim's own SELECT, read in its transaction (S8).

Scalar sub-selects over the aliases `d` (store_delivery) and `m` (store_message): the reason, or NULL. An empty table
costs a step into an empty index; a full one, a step for each of the at most three lists that an address may be on.
"""

_SELECT = (
    "(SELECT s.reason FROM store_suppression s WHERE s.address = {address} AND (s.list_name = ''"
    " OR m.list_name <> '' AND s.list_name IN ('*', m.list_name)) LIMIT 1)"
)
# Both lower US-ASCII letters only, as `terms.address.canonical` does.
SUPPRESSED_SQLITE = _SELECT.format(address="lower(d.recipient)")
SUPPRESSED_POSTGRESQL = _SELECT.format(address='lower(d.recipient COLLATE "C")')
