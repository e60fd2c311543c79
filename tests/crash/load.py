"""Clients that submit mail without pause, and remember exactly what was answered 202."""

import http.client
import json
import random
import threading
import time
import uuid

GIVE_UP_AFTER_S = 20.0
PURPOSES = ("notification", "communication", "alert", "report")


class Load:
    """`clients` threads that post through HTTP; each repeats a message under its key until it is accepted."""

    def __init__(self, port: int, token: str, clients: int = 4, pause_s: float = 0.03) -> None:
        self._port, self._token, self._pause_s = port, token, pause_s
        self.accepted: dict[str, list[str]] = {}
        self.keys: dict[str, str] = {}
        self.refused: list[str] = []
        self.repeats = 0
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._submit_on, args=(n,), daemon=True) for n in range(clients)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish what was begun, then stop."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(GIVE_UP_AFTER_S + 5)

    def _submit_on(self, client: int) -> None:
        number = 0
        while not self._stopping.is_set():
            number += 1
            self._submit(f"{client}x{number}", random.random() < 0.2)
            time.sleep(self._pause_s)

    def _submit(self, name: str, to_sandbox: bool) -> None:
        recipients = [f"r{n}.{name}@example.org" for n in range(random.choice((1, 1, 1, 3)))]
        body = {
            "to": recipients, "subject": f"Message {name}", "text": "All numbers are in.\n",
            "purpose": random.choice(PURPOSES), **({"server": "Sandbox"} if to_sandbox else {}),
        }
        key, give_up = str(uuid.uuid4()), time.monotonic() + GIVE_UP_AFTER_S
        while time.monotonic() < give_up:
            try:
                status, answer = self._post(body, key)
            except (OSError, http.client.HTTPException):
                status, answer = 0, {}
            if status == 202:
                with self._lock:
                    self.accepted[answer["id"]] = recipients
                    self.keys[key] = answer["id"]
                return
            if 400 <= status < 500:
                self.refused.append(f"{status} {answer}")
                return
            self.repeats += 1
            time.sleep(0.05)

    def _post(self, body: dict[str, object], key: str) -> tuple[int, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            headers = {
                "Authorization": f"Bearer {self._token}", "Idempotency-Key": key, "Content-Type": "application/json"
            }
            connection.request("POST", "/api/v1/messages", json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"{}")
        finally:
            connection.close()
