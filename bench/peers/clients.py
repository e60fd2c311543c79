"""`python -m bench.peers.clients LIBRARY PORT MESSAGES`: messages of 5 KB, one after the other, on one connection."""

import asyncio
import smtplib
import sys
from collections.abc import Iterator
from email.message import EmailMessage

import aiosmtplib

from bench import traffic

NODEMAILER = """
const nodemailer = require('nodemailer');
const [port, messages, text] = [+process.argv[1], +process.argv[2], process.argv[3]];
const pool = nodemailer.createTransport({
    host: '127.0.0.1', port, secure: false, ignoreTLS: true, pool: true, maxConnections: 1, maxMessages: Infinity,
});
(async () => {
    const mail = n => ({from: 'reports@example.com', to: 'someone@example.org', subject: `Depot report ${n}`, text});
    await Promise.all([...Array(messages).keys()].map(n => pool.sendMail(mail(n))));
    pool.close();
})();
"""


def messages_of(count: int) -> Iterator[EmailMessage]:
    for number in range(count):
        message, body = EmailMessage(), traffic.body(number, "client")
        message["From"], message["To"], message["Subject"] = "reports@example.com", body["to"][0], body["subject"]
        message.set_content(body["text"])
        yield message


def by_smtplib(port: int, count: int) -> None:
    with smtplib.SMTP("127.0.0.1", port) as client:
        for message in messages_of(count):
            client.send_message(message)


async def by_aiosmtplib(port: int, count: int) -> None:
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as client:
        for message in messages_of(count):
            await client.send_message(message)


if __name__ == "__main__":
    if sys.argv[1] == "smtplib":
        by_smtplib(int(sys.argv[2]), int(sys.argv[3]))
    else:
        asyncio.run(by_aiosmtplib(int(sys.argv[2]), int(sys.argv[3])))
