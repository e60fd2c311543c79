"""Every number with protocol meaning, each with its source."""

# RFC 5321 4.5.3.1.4: a command line is at most 512 octets including CR LF; RFC 4954 4.3 raises AUTH lines to 12288.
COMMAND_LINE_BYTES = 512
AUTH_LINE_BYTES = 12_288
# RFC 5321 4.5.3.1.5 says 512 octets for a reply line; real servers exceed it, Postfix's client reads 2048.
REPLY_LINE_BYTES = 2_048
# No RFC figure: a reply of more lines, or bytes in all, is refused (Exim stops at about 10 kB, RFC 5321 has no bound).
REPLY_LINES = 128
REPLY_BYTES = 65_536
# RFC 5321 4.5.3.1.6: a text line is at most 1000 octets including CR LF.
TEXT_LINE_BYTES = 998
# RFC 5321 4.5.3.1.1 and 4.5.3.1.2; 4.5.3.1.3 limits a path to 256 with its brackets.
LOCAL_PART_BYTES = 64
DOMAIN_BYTES = 255
# What RFC 5321 4.5.3.1.1 leaves of a local part before "+" and the 42 characters of a signed return path.
BOUNCE_LOCAL_PART_BYTES = 21
ADDRESS_BYTES = 254
# RFC 5321 4.5.3.1.8: a server must take at least 100 recipients.
RECIPIENTS_PER_TRANSACTION = 100

# No RFC figure: RFC 7677 asks for at least 4096, OWASP (2023) for 600,000; one million costs us a third of a second.
SCRAM_ITERATIONS = 1_000_000

# RFC 5321 4.5.3.2, seconds; RCPT has as long as MAIL.
GREETING_TIMEOUT_S = 300.0
MAIL_TIMEOUT_S = 300.0
DATA_TIMEOUT_S = 120.0
DATA_BLOCK_TIMEOUT_S = 180.0
FINAL_DOT_TIMEOUT_S = 600.0
# No RFC figure: how long a server that never showed that it bears the next envelope with the end of a content may take
# to answer that envelope; nothing of the message has left then, and it is sent again in the plainer way.
UNPROVEN_PIPELINING_TIMEOUT_S = 15.0
# No RFC figure: Postfix's smtp_connect_timeout is 30 s; two addresses are raced 250 ms apart (RFC 8305 section 5).
CONNECT_TIMEOUT_S = 30.0
CONNECTION_ATTEMPT_DELAY_S = 0.25
TLS_HANDSHAKE_TIMEOUT_S = 60.0

# A test answers a waiting person: 30 s in all, 10 s each for connect and greeting.
TEST_TIMEOUT_S = 30.0
TEST_CONNECT_TIMEOUT_S = 10.0
TEST_GREETING_TIMEOUT_S = 10.0

# RFC 8314 section 3.3 and 7.3, RFC 5321 section 4.5.4.2; 2525 is the usual alternative of mail services.
SMTP_PORT = 25
SUBMISSIONS_PORT = 465
SUBMISSION_PORT = 587
ALTERNATIVE_PORT = 2_525
MAIL_PORTS = (SMTP_PORT, SUBMISSIONS_PORT, SUBMISSION_PORT, ALTERNATIVE_PORT)

# RFC 8314 section 7.2.
IMAPS_PORT = 993

# RFC 1035 section 4.2.
DNS_PORT = 53
# RFC 7208 section 4.6.4: lookups that one SPF record may take, and hosts of one mx. RFC 9989 section 4.10: names of a
# walk from a domain to the place of its DMARC policy.
SPF_LOOKUPS = 10
DMARC_WALK = 8

# The sandbox: no RFC figures. 2526 stands beside the alternative port; 50 MiB is above the 25–35 MB of big services;
# 1,000 recipients is Postfix's smtpd_recipient_limit.
SANDBOX_PORT = 2_526
SANDBOX_SIZE_BYTES = 52_428_800
SANDBOX_RECIPIENTS = 1_000

# The doors that take mail over SMTP. RFC 5321 section 4.5.3.1 names what a server must take at least, not where it may
# stop: line, errors and idle commands stop where Postfix stops (line_length_limit, smtpd_hard_error_limit,
# smtpd_junk_command_limit), recipients at its smtpd_recipient_limit, and as many more hear 452 before that is an error
# (smtpd_recipient_overshoot_limit). 150 MiB is 100 MiB of attachment in base64.
SUBMISSION_LINE_BYTES = 2_048
SUBMISSION_ERRORS = 20
SUBMISSION_IDLE_COMMANDS = 100
SUBMISSION_AUTH_TRIES = 3
SUBMISSION_RECIPIENTS = 1_000
SUBMISSION_OVERSHOOT = 1_000
SUBMISSION_SIZE_BYTES = 157_286_400
SUBMISSION_HEADER_BYTES = 65_536
# RFC 5321 section 6.3 counts trace fields to notice loops; 100 is what it suggests at least.
SUBMISSION_TRACE_FIELDS = 100
# RFC 5321 section 4.5.3.2.7: a server waits 5 minutes for a command, here for the whole of it. Content may pause as
# long as a client waits for a block (section 4.5.3.2.5), then it keeps Postfix's smtpd_min_data_rate. No RFC figure
# bounds a session; an hour lets clients keep theirs, and ends those that nobody closes.
SUBMISSION_COMMAND_S = 300.0
SUBMISSION_CONTENT_GRACE_S = 180.0
SUBMISSION_CONTENT_RATE = 500
SUBMISSION_SESSION_S = 3_600.0
# No RFC figures: what a few busy report servers need at most; beyond it 421.
SUBMISSION_CONNECTIONS = 15_000
SUBMISSION_CONNECTIONS_PER_ADDRESS = 500
