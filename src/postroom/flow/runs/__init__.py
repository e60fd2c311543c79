"""A subscription carried out: its report once, and a message for each recipient, exactly one."""
