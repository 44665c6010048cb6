"""Owns a small chat client over the wire's own lines. It shares no code with the project.

Called by the parts of the test. It resumes and sends again as the contract asks clients to.
"""

import json
import ssl
import time


class Refused(Exception):
    """The daemon answered with an error; `kind` says which."""

    def __init__(self, data):
        super().__init__(f"{data['kind']}: {data['msg']}")
        self.kind = data["kind"]


class Closed(Exception):
    """The connection is over."""


class Peer:
    """One session. `seen` are the texts of the messages that it received, `last` its cursor."""

    def __init__(self, machine, name, port=3000, **login):
        self.machine = machine
        self.name = name
        self.port = port
        self.session = None
        self.last = 0
        self.seen = []
        self.notices = []
        self._ids = 0
        self._login = login
        self.tls = None
        self.login()

    def connect(self):
        """Opens the connection and verifies the daemon by the certificate authority that it published."""
        trusted = ssl.create_default_context(cafile=self.machine.path("/var/lib/tcp-chatd/certs/ca.pem"))
        raw = self.machine.connect(self.port)
        try:
            self.tls = trusted.wrap_socket(raw, server_hostname="localhost")
        except BaseException:
            raw.close()
            raise
        self.tls.settimeout(15)
        self._rest = b""

    def login(self):
        """Logs in, or goes on with the session where there is one. Returns the reply's data."""
        self.connect()
        data = {"name": self.name, **self._login}
        if self.session:
            data |= {"session": self.session, "after": self.last}
        self.reply = self.ask("LOGIN", data)
        if not self.session:
            self.last = max(self.last, self.reply["head"])
        self.session = self.reply["session"]
        return self.reply

    def back(self, limit=40):
        """Resumes, however long the daemon is away, within `limit` seconds."""
        end = time.monotonic() + limit
        while True:
            try:
                return self.login()
            except (OSError, Closed):
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def drop(self):
        """Loses the connection without a word."""
        self.tls.close()

    def quit(self):
        """Ends the session."""
        self.ask("QUIT")
        self.tls.close()

    def send(self, line):
        """Sends one request."""
        self.tls.sendall(json.dumps(line).encode() + b"\n")

    def read(self):
        """The next line; messages and notices are noted on the way."""
        while b"\n" not in self._rest:
            try:
                more = self.tls.recv(65536)
            except TimeoutError:
                raise
            except OSError as error:
                raise Closed(str(error)) from error
            if not more:
                raise Closed("end of stream")
            self._rest += more
        line, self._rest = self._rest.split(b"\n", 1)
        event = json.loads(line)
        data = event.get("data")
        if event["op"] == "MSG":
            self.last = max(self.last, data["seq"])
            self.seen.append(data["msg"])
        elif event["op"] == "NOTICE":
            self.notices.append(data["kind"])
        return event

    def ask(self, op, data=None, ident=None):
        """Asks, and reads up to the answer; gives its data."""
        if ident is None:
            self._ids += 1
            ident = f"{self.name}-{self._ids}"
        try:
            self.send({"op": op, "data": data, "id": ident} if data is not None else {"op": op, "id": ident})
        except OSError as error:
            raise Closed(str(error)) from error
        while True:
            event = self.read()
            if event.get("id") == ident:
                if event["status"] == "ERR":
                    raise Refused(event["data"])
                return event.get("data")

    def say(self, text):
        """One message to the lobby; returns once it is kept."""
        return self.ask("MSG", text)

    def say_through(self, text, limit=40):
        """One message that is kept once, whatever happens to the daemon meanwhile."""
        self._ids += 1
        ident = f"{self.name}-{self._ids}"
        end = time.monotonic() + limit
        while True:
            try:
                return self.ask("MSG", text, ident)
            except (Closed, TimeoutError):
                if time.monotonic() > end:
                    raise
                self.back()

    def read_to_the_end(self):
        """Reads until the connection is over."""
        try:
            while True:
                self.read()
        except Closed:
            pass

    def until(self, text):
        """Reads until a message with this text has come."""
        while text not in self.seen:
            self.read()
