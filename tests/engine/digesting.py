"""An SMTP server in a process of its own that keeps nothing but the digest of what it gets.

`python -m tests.engine.digesting` prints its port, then the SHA-256 of each content, and ends with its standard input.
"""

import hashlib
import socket
import sys
import threading


def serve(peer: socket.socket) -> None:
    with peer, peer.makefile("rb", buffering=1 << 20) as lines:
        peer.sendall(b"220 mx\r\n")
        for line in lines:
            verb = line[:4].upper()
            if verb == b"EHLO":
                peer.sendall(b"250-mx\r\n250-8BITMIME\r\n250 PIPELINING\r\n")
            elif verb == b"DATA":
                peer.sendall(b"354 go\r\n")
                digest = hashlib.sha256()
                while (text := lines.readline()) != b".\r\n":
                    digest.update(text.removeprefix(b"."))
                print(digest.hexdigest(), flush=True)
                peer.sendall(b"250 taken\r\n")
            else:
                peer.sendall(b"250 ok\r\n")


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)

    def accept() -> None:
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
