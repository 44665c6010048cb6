#!/usr/bin/env python3
"""Checks a running daemon against docs/PROTOCOL.md with a client that shares no code with the project.

    python3 checks/contract.py --port 3000 --ca certs/ca.pem [--host localhost]

Needs only Python 3.8. Uses unique names and rooms, and leaves them. A check that the daemon's limits make
too slow (a TTL of minutes) is `skipped`. The last line is `N passed, N failed, N skipped`; the exit code is 0
if nothing failed.
"""

import argparse
import json
import re
import secrets
import socket
import ssl
import sys
import traceback

PATIENCE = 40  # seconds; only a broken daemon makes anyone wait that long


class Closed(Exception):
    """The daemon closed the connection."""


class Peer:
    """One connection: sends and receives lines."""

    def __init__(self, server):
        raw = socket.create_connection((server.host, server.port), timeout=PATIENCE)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tls = server.context.wrap_socket(raw, server_hostname=server.name)
        self.buffer = b""
        self.waiting = []
        self.ids = 0
        self.newest = 0
        self.chains = {}

    def send(self, line):
        self.send_bytes(json.dumps(line).encode() + b"\n")

    def send_bytes(self, data):
        self.tls.sendall(data)

    def read(self):
        while b"\n" not in self.buffer:
            data = self.tls.recv(65536)
            if not data:
                raise Closed()
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        assert not line.endswith(b"\r"), "lines of the daemon end with \\n alone"
        line = json.loads(line.decode("utf-8"))
        assert isinstance(line.get("op"), str) and line["status"] in ("OK", "ERR"), line
        assert (line["status"] == "ERR") == (line["op"] == "ERROR_MSG"), line
        if line["op"] == "MSG" and line["status"] == "OK":
            self.check_chain(line)
        return line

    def check_chain(self, line):
        data = line["data"]
        seq, prev = data["seq"], data["prev"]
        if "id" in line and seq <= self.newest:
            return  # the answer to one that was sent again
        assert seq > self.newest and prev < seq, (line, self.newest)
        self.newest = seq
        where = data.get("room") or frozenset((data["to"], data["user"]))
        assert self.chains.get(where, prev) == prev, ("a hole before", line)
        self.chains[where] = seq

    def next(self, wanted):
        for at, line in enumerate(self.waiting):
            if wanted(line):
                return self.waiting.pop(at)
        while True:
            line = self.read()
            if wanted(line):
                return line
            self.waiting.append(line)

    def ask(self, op, data=None, **more):
        self.ids += 1
        request = {"op": op, "id": "py-%d" % self.ids, **more}
        if data is not None:
            request["data"] = data
        self.send(request)
        return self.next(lambda line: line.get("id") == request["id"])

    def ok(self, op, data=None):
        reply = self.ask(op, data)
        assert reply["op"] == op and reply["status"] == "OK", reply
        return reply.get("data")

    def refused(self, kind, op, data=None):
        reply = self.ask(op, data)
        assert reply["op"] == "ERROR_MSG" and reply["data"]["kind"] == kind, (op, data, reply)
        assert reply["data"]["msg"], reply
        return reply["data"]

    def error(self, kind):
        line = self.next(lambda line: line["op"] == "ERROR_MSG")
        assert line["data"]["kind"] == kind and line["data"]["msg"], (kind, line)
        return line

    def says(self, room, text):
        reply = self.ask("MSG", {"room": room, "msg": text})
        assert reply["op"] == "MSG" and reply["data"]["msg"] == text, reply
        return reply["data"]

    def hears(self, text):
        line = self.next(lambda line: line["op"] == "MSG")
        assert line["data"]["msg"] == text, (text, line)
        return line["data"]

    def sees(self, user, state):
        line = self.next(lambda line: line["op"] == "PRESENCE")
        assert (line["data"]["user"], line["data"]["state"]) == (user, state), line
        return line["data"]

    def quiet(self, op="MSG"):
        self.ok("PING")
        assert not [line for line in self.waiting if line["op"] == op], self.waiting

    def closed(self):
        try:
            while True:
                self.waiting.append(self.read())
        except Closed:
            pass

    def vanish(self):
        self.tls.close()


class Server:
    """The address of the server, its CA, and a source of unique names."""

    def __init__(self, arguments):
        self.host, self.port, self.name = arguments.host, arguments.port, arguments.name
        self.context = ssl.create_default_context(cafile=arguments.ca)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.run = secrets.token_hex(3)

    def fresh(self, what):
        return "py-%s-%s-%s" % (what, self.run, secrets.token_hex(2))

    def connect(self):
        return Peer(self)

    def login(self, name, rooms=None, **more):
        peer = self.connect()
        data = {"name": name, **more}
        if rooms is not None:
            data["rooms"] = rooms
        peer.me = peer.ok("LOGIN", data)
        return peer


# --- the checks: each is a function of the server; its name is the promise ---


def seed_requests_work_as_they_stand(server):
    name = server.fresh("ana")
    ana = server.connect()
    ana.send_bytes(b'{"op":"LOGIN","data":{"name":"%s","color":"red"}}\n' % name.encode())
    reply = ana.next(lambda line: line["op"] == "LOGIN")
    assert "id" not in reply and reply["status"] == "OK", reply
    ana.send_bytes(b'{"op":"MSG","data":"hello"}\r\n')
    event = ana.next(lambda line: line["op"] == "MSG" and line["data"]["user"] == name)
    assert event["data"]["color"] == "red" and event["data"]["msg"] == "hello", event
    assert event["data"]["room"] == reply["data"]["rooms"][0], (event, reply)


def the_login_reply_is_whole(server):
    me = server.login(server.fresh("ana"), color="#a1b2c3").me
    assert me["color"].lower() == "#a1b2c3" and me["ttl_s"] >= 1, me
    assert me["server"]["protocol"] == 1 and me["server"]["name"] and me["server"]["version"], me
    assert me["limits"]["line_bytes"] >= 1024 and me["limits"]["msg_bytes"] >= 1, me
    assert isinstance(me["head"], int) and isinstance(me["rooms"], list), me
    assert me["log"] and me["log_from"] <= me["head"], me
    assert server.login(server.fresh("bo")).me["log"] == me["log"], "it is one log for everyone"
    assert len(me["session"]) >= 43, "256 bits do not fit in %d letters" % len(me["session"])


def the_certificate_is_verified(server):
    stranger = ssl.create_default_context()
    with socket.create_connection((server.host, server.port), timeout=PATIENCE) as raw:
        try:
            stranger.wrap_socket(raw, server_hostname=server.name)
        except ssl.SSLCertVerificationError:
            return
    raise AssertionError("trusted without its CA")


def plaintext_gets_an_alert(server):
    with socket.create_connection((server.host, server.port), timeout=PATIENCE) as raw:
        raw.sendall(b'{"op":"LOGIN","data":{"name":"x"}}\n')
        answer = b""
        try:
            while data := raw.recv(4096):
                answer += data
        except ConnectionResetError:
            pass
    assert answer[:1] == b"\x15", answer


def any_cut_gives_the_same_lines(server):
    room = server.fresh("room")
    ana = server.login(server.fresh("ana"), [room])
    line = json.dumps({"op": "MSG", "data": {"room": room, "msg": "h\u00e9 \U0001f980"}}, ensure_ascii=False).encode()
    for byte in line + b"\n":
        ana.send_bytes(bytes([byte]))
    ana.hears("h\u00e9 \U0001f980")
    ana.send_bytes(b"\n\r\n" + (line + b"\r\n") * 5 + b"\n")
    for _ in range(5):
        ana.hears("h\u00e9 \U0001f980")


def lines_that_are_none_are_told_and_skipped(server):
    ana = server.login(server.fresh("ana"))
    for bad in (b"hello", b"[]", b"[\"PING\"]", b"null", b"7", b"{", b'{"op":"PING"}}', b"\xff\xfe", b'{"op":"P\xffNG"}'):
        ana.send_bytes(bad + b"\n")
        assert "id" not in ana.error("PARSE")
    limit = ana.me["limits"]["line_bytes"]
    for extra, kind in ((0, None), (1, "TOO_LARGE"), (limit * 20, "TOO_LARGE")):
        head = b'{"op":"PING","id":"size","data":"'
        ana.send_bytes(head + b"x" * (limit + extra - len(head) - 2) + b'"}\n')
        if kind:
            ana.error(kind)
        else:
            assert ana.next(lambda line: line.get("id") == "size")["op"] == "PING"
    ana.quiet("ERROR_MSG")


def ids_come_back_as_sent(server):
    ana = server.login(server.fresh("ana"))
    for ident in (0, 7, 2**64 - 1, "", "7", "\u00e9\n\"", "x" * 64):
        ana.send({"op": "PING", "id": ident})
        reply = ana.next(lambda line: line["op"] == "PING")
        assert reply["id"] == ident and type(reply["id"]) is type(ident), reply
        assert reply.get("data") is None, reply
    for ident in (-1, 1.5, True, [], {}, "x" * 65):
        ana.send({"op": "PING", "id": ident})
        ana.error("DATA")
    ana.send({"op": "PING", "unknown": {"field": 1}})
    assert "id" not in ana.next(lambda line: line["op"] == "PING")


def errors_have_their_kinds(server):
    door = server.connect()
    for op, data in (("MSG", "x"), ("JOIN", {"room": "x"}), ("WHO", None), ("ROOMS", None)):
        door.refused("NOT_LOGGED_IN", op, data)
    door.refused("UNKNOWN_OP", "DANCE")
    for data in (None, "ana", {}, {"name": 7}, {"name": "ana", "color": "octarine"}, {"name": "ana", "rooms": "x"}):
        door.refused("DATA", "LOGIN", data)
    for name in ("", "a b", "a\u202eb", "a\u200bb", "a\x1b[2J", "\U0001f980", "x" * 33, "../x"):
        door.refused("NAME_INVALID", "LOGIN", {"name": name})
    room = server.fresh("room")
    ana = server.login(server.fresh("ana"), [room])
    ana.refused("ALREADY_LOGGED_IN", "LOGIN", {"name": "x"})
    ana.refused("NO_SUCH_USER", "MSG", {"to": server.fresh("nobody"), "msg": "x"})
    ana.refused("NO_SUCH_ROOM", "MSG", {"room": server.fresh("nowhere"), "msg": "x"})
    other = server.fresh("other")
    keeper = server.login(server.fresh("keeper"), [other])
    ana.refused("NOT_A_MEMBER", "MSG", {"room": other, "msg": "x"})
    ana.refused("NOT_A_MEMBER", "LEAVE", {"room": other})
    too_long = "x" * (ana.me["limits"]["msg_bytes"] + 1)
    for data in ("", {"room": room}, {"room": room, "msg": 7}, {"room": room, "to": "x", "msg": "x"},
                 {"room": room, "msg": "a\0b"}, {"room": room, "msg": too_long}):
        ana.refused("DATA", "MSG", data)
    ana.says(room, too_long[1:])
    keeper.quiet()


def nobody_passes_for_somebody_else(server):
    name = server.fresh("Paypal")
    server_side = server.login(name)
    door = server.connect()
    for other in (name, name.upper(), name.lower(), name.replace("a", "\u0430"), name.replace("P", "\uff30")):
        door.refused("NAME_TAKEN", "LOGIN", {"name": other})
    server_side.ok("QUIT")
    server_side.closed()
    door.ok("LOGIN", {"name": name})


def rooms_are_entered_listed_and_left(server):
    room = server.fresh("room")
    ana = server.login(server.fresh("ana"), [room], color="blue")
    head = ana.says(room, "first")["seq"]
    bo = server.login(server.fresh("bo"), [])
    joined = bo.ok("JOIN", {"room": room})
    assert (joined["room"], joined["head"], joined["member_count"]) == (room, head, 2), joined
    assert {"user": ana.me["name"], "color": "blue", "state": "here"} in joined["members"], joined
    assert ana.sees(bo.me["name"], "joined")["room"] == room
    assert bo.ok("WHO", {"room": room})["member_count"] == 2
    assert bo.ok("WHO")["member_count"] >= 2
    listed = [entry for entry in bo.ok("ROOMS")["rooms"] if entry["room"] == room]
    assert listed == [{"room": room, "members": 2, "head": head}], listed
    assert bo.ok("LEAVE", {"room": room}) == {"room": room}
    ana.sees(bo.me["name"], "left")
    ana.says(room, "alone")
    bo.quiet()


def messages_are_numbered_chained_and_in_one_order(server):
    rooms = [server.fresh("one"), server.fresh("two")]
    peers = [server.login(server.fresh("peer"), rooms) for _ in range(3)]
    for number in range(40):
        peers[number % 3].send({"op": "MSG", "data": {"room": rooms[number % 2], "msg": str(number)}, "id": number})
    views = []
    for who, peer in enumerate(peers):
        view = []
        for _ in range(40):
            line = peer.next(lambda line: line["op"] == "MSG")
            assert ("id" in line) == (int(line["data"]["msg"]) % 3 == who), line
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["data"]["ts"]), line
            view.append((line["data"]["seq"], line["data"]["msg"]))
        views.append(view)
    assert views[0] == views[1] == views[2]
    assert views[0] == sorted(views[0])


def text_arrives_code_point_for_code_point(server):
    room = server.fresh("room")
    ana, bo = (server.login(server.fresh(n), [room]) for n in ("ana", "bo"))
    texts = ["\n", "a\r\nb\tc", " x ", "\x1b[31m\x07\x9b", "\u202e\u200b\ufeff", "e\u0301", "\U0001f469\u200d\U0001f467",
             "\ufffd\ufffe\uffff\U0010ffff", "\u2028\u2029", "\"\\/\b\f", "{\"op\":\"QUIT\"}", "\\u0041"]
    texts.append("".join(chr(c) for c in range(1, 0x900)))
    for text in texts:
        for ascii_only in (True, False):
            line = json.dumps({"op": "MSG", "data": {"room": room, "msg": text}}, ensure_ascii=ascii_only)
            ana.send_bytes(line.encode("utf-8") + b"\n")
            ana.hears(text)
            bo.hears(text)


def direct_messages_are_for_two(server):
    ana, bo, cy = (server.login(server.fresh(n), []) for n in ("ana", "bo", "cy"))
    ana.send({"op": "MSG", "data": {"to": bo.me["name"], "msg": "psst"}, "id": 1})
    heard = bo.hears("psst")
    assert heard["user"] == ana.me["name"] and heard["to"] == bo.me["name"] and "room" not in heard, heard
    assert ana.next(lambda line: line["op"] == "MSG")["id"] == 1
    page = bo.ok("HISTORY", {"with": ana.me["name"]})
    assert [m["msg"] for m in page["messages"]] == ["psst"], page
    assert ana.ok("SEARCH", {"query": "psst"})["messages"], "one's own is found"
    assert not cy.ok("SEARCH", {"query": "psst", "user": ana.me["name"]})["messages"]
    cy.quiet()


def history_pages_both_ways(server):
    room = server.fresh("room")
    ana = server.login(server.fresh("ana"), [room])
    seqs = [ana.says(room, "m%d" % n)["seq"] for n in range(60)]
    page = ana.ok("HISTORY", {"room": room})
    assert [m["seq"] for m in page["messages"]] == seqs[10:] and page["more"] is True, page
    forward, after = [], 0
    while True:
        page = ana.ok("HISTORY", {"room": room, "after": after, "limit": 7})
        forward += [m["seq"] for m in page["messages"]]
        if not page["more"]:
            break
        after = forward[-1]
    assert forward == seqs, (forward, seqs)
    backward, before = [], None
    while True:
        page = ana.ok("HISTORY", {"room": room, "limit": 11, **({"before": before} if before else {})})
        backward = [m["seq"] for m in page["messages"]] + backward
        if not page["more"]:
            break
        before = backward[0]
    assert backward == seqs
    for bad in ({}, {"room": room, "limit": 0}, {"room": room, "limit": 501}, {"room": room, "with": "x"}):
        ana.refused("DATA", "HISTORY", bad)
    found = ana.ok("SEARCH", {"query": "m5*", "room": room})["messages"]
    assert [m["seq"] for m in found] == [seqs[n] for n in (59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 5)], found
    page = ana.ok("SEARCH", {"query": "m5*", "room": room, "after": seqs[55], "before": seqs[59], "limit": 2})
    assert [m["seq"] for m in page["messages"]] == [seqs[58], seqs[57]] and page["more"], page
    assert seqs[-1] <= page["indexed"] <= page["head"], page
    page = ana.ok("SEARCH", {"query": "m5*", "room": room, "after": seqs[57]})
    assert [m["seq"] for m in page["messages"]] == [seqs[59], seqs[58]] and not page["more"], page
    ana.refused("DATA", "SEARCH", {"query": "m5*", "after": -1})
    for query in ("\"", "*", "AND", "a:b", "(", "';--"):
        assert ana.ask("SEARCH", {"query": query})["data"].get("kind") in (None, "DATA")


def a_lost_connection_is_resumed_exactly(server):
    room = server.fresh("room")
    ana, bo = (server.login(server.fresh(n), [room], **({"color": "red"} if n == "ana" else {})) for n in ("ana", "bo"))
    name, token = ana.me["name"], ana.me["session"]
    ana.sees(bo.me["name"], "joined")
    last = bo.says(room, "seen")["seq"]
    ana.hears("seen")
    ana.vanish()
    bo.sees(name, "away")
    assert {"user": name, "color": "red", "state": "away"} in bo.ok("WHO", {"room": room})["members"]
    server.connect().refused("NAME_TAKEN", "LOGIN", {"name": name})
    for number in range(5):
        bo.says(room, "missed %d" % number)
    back = server.connect()
    back.newest = last
    reply = back.ok("LOGIN", {"name": name, "session": token, "after": last, "log": bo.me["log"], "rooms": ["elsewhere"]})
    assert reply["rooms"] == [room], reply
    bo.sees(name, "back")
    for number in range(5):
        back.hears("missed %d" % number)
    bo.says(room, "live")
    back.hears("live")
    back.quiet()

    # A message that is sent again under the same id is kept once.
    again = {"op": "MSG", "id": "once", "data": {"room": room, "msg": "once"}}
    seqs = set()
    for _ in range(3):
        back.send(again)
        seqs.add(back.next(lambda line: line.get("id") == "once")["data"]["seq"])
    assert len(seqs) == 1, seqs
    bo.hears("once")
    bo.quiet()

    # A takeover ends the old connection, not the session.
    new = server.connect()
    new.ok("LOGIN", {"name": name, "session": token})
    notice = back.next(lambda line: line["op"] == "NOTICE")
    assert notice["data"]["kind"] == "TAKEN_OVER", notice
    back.closed()
    new.says(room, "it is me")
    bo.hears("it is me")

    # A quit ends it.
    new.ok("QUIT")
    new.closed()
    bo.sees(name, "left")
    server.connect().refused("SESSION_EXPIRED", "LOGIN", {"name": name, "session": token})
    server.connect().refused("SESSION_EXPIRED", "LOGIN", {"name": name, "session": "x" * 43})


def who_stays_away_is_removed(server):
    room = server.fresh("room")
    bo = server.login(server.fresh("bo"), [room])
    ana = server.login(server.fresh("ana"), [room])
    if ana.me["ttl_s"] > PATIENCE / 2:
        return "the TTL is %d s" % ana.me["ttl_s"]
    bo.sees(ana.me["name"], "joined")
    ana.vanish()
    bo.sees(ana.me["name"], "away")
    bo.sees(ana.me["name"], "left")
    assert bo.ok("WHO", {"room": room})["member_count"] == 1
    server.login(ana.me["name"], [room])
    bo.sees(ana.me["name"], "joined")


def a_redacted_text_is_nowhere(server):
    room = server.fresh("room")
    ana, bo = server.login(server.fresh("ana"), [room]), server.login(server.fresh("bo"), [room])
    word = "w" + secrets.token_hex(8)
    seq = ana.says(room, "it is " + word)["seq"]
    bo.hears("it is " + word)
    bo.refused("FORBIDDEN", "REDACT", {"room": room, "seq": seq})
    assert ana.ok("REDACT", {"room": room, "seq": seq, "reason": "oops"}) == {"room": room, "seq": seq}
    told = {"room": room, "seq": seq, "by": ana.me["name"], "reason": "oops"}
    for peer in ana, bo:
        assert peer.next(lambda line: line["op"] == "REDACTED")["data"] == told
    assert bo.ok("SEARCH", {"query": word})["messages"] == []
    (message,) = bo.ok("HISTORY", {"room": room})["messages"]
    assert (message["seq"], message["msg"], message["redacted"], message["by"]) == (seq, "", True, ana.me["name"])
    ana.ok("REDACT", {"room": room, "seq": seq})  # once more changes nothing
    bo.quiet("REDACTED")
    for wrong in 0, seq + 1, 2**53:
        ana.refused("DATA", "REDACT", {"room": room, "seq": wrong})
    ana.refused("DATA", "REDACT", {"room": room})
    ana.refused("NO_SUCH_ROOM", "REDACT", {"room": server.fresh("none"), "seq": seq})
    # Direct messages are their author's.
    direct = ana.ask("MSG", {"to": bo.me["name"], "msg": "psst"})["data"]["seq"]
    bo.refused("FORBIDDEN", "REDACT", {"with": ana.me["name"], "seq": direct})
    assert ana.ok("REDACT", {"with": bo.me["name"], "seq": direct}) == {"with": bo.me["name"], "seq": direct}
    told = bo.next(lambda line: line["op"] == "REDACTED")["data"]
    assert told == {"to": bo.me["name"], "user": ana.me["name"], "seq": direct, "by": ana.me["name"]}


def a_room_has_a_topic(server):
    room = server.fresh("room")
    ana, bo = server.login(server.fresh("ana"), [room]), server.login(server.fresh("bo"), [room])
    reply = ana.ask("ROOM", {"room": room, "topic": "On call: bo"})
    if reply["op"] == "ERROR_MSG" and reply["data"]["kind"] == "FORBIDDEN":
        return "members set no topics here"
    assert reply["data"] == {"room": room, "topic": "On call: bo"}
    told = bo.next(lambda line: line["op"] == "ROOM" and "id" not in line)["data"]
    assert told == {"room": room, "topic": "On call: bo", "user": ana.me["name"]}
    assert bo.ok("WHO", {"room": room})["topic"] == bo.ok("JOIN", {"room": room})["topic"] == "On call: bo"
    assert [r["topic"] for r in bo.ok("ROOMS")["rooms"] if r["room"] == room] == ["On call: bo"]
    ana.ok("ROOM", {"room": room, "topic": "x" * 400})
    ana.refused("DATA", "ROOM", {"room": room, "topic": "x" * 401})
    ana.refused("DATA", "ROOM", {"room": room, "topic": "x", "private": True})
    ana.ok("ROOM", {"room": room, "topic": ""})
    assert "topic" not in bo.ok("WHO", {"room": room})


def read_marks_are_for_proven_names(server):
    ana = server.login(server.fresh("ana"))
    ana.refused("DATA", "MARK", {"room": "lobby"})
    ana.refused("FORBIDDEN", "MARK", {"with": ana.me["name"], "seq": 1})
    assert "marks" not in ana.me


CHECKS = [
    seed_requests_work_as_they_stand,
    the_login_reply_is_whole,
    the_certificate_is_verified,
    plaintext_gets_an_alert,
    any_cut_gives_the_same_lines,
    lines_that_are_none_are_told_and_skipped,
    ids_come_back_as_sent,
    errors_have_their_kinds,
    nobody_passes_for_somebody_else,
    rooms_are_entered_listed_and_left,
    messages_are_numbered_chained_and_in_one_order,
    text_arrives_code_point_for_code_point,
    direct_messages_are_for_two,
    history_pages_both_ways,
    a_lost_connection_is_resumed_exactly,
    who_stays_away_is_removed,
    a_redacted_text_is_nowhere,
    a_room_has_a_topic,
    read_marks_are_for_proven_names,
]


def main():
    parser = argparse.ArgumentParser(description="Holds a running tcp-chatd to its contract.")
    parser.add_argument("--host", default="127.0.0.1", help="where it listens")
    parser.add_argument("--port", type=int, default=3000)
    parser.add_argument("--name", default="localhost", help="the name that its certificate must have")
    parser.add_argument("--ca", default="certs/ca.pem", help="the CA that is trusted, and no other")
    server = Server(parser.parse_args())
    passed = failed = skipped = 0
    for check in CHECKS:
        title = check.__name__.replace("_", " ")
        try:
            why = check(server)
        except Exception:  # a check that fails is told, and the next one runs
            failed += 1
            print("FAILED  %s\n%s" % (title, traceback.format_exc()))
            continue
        if why:
            skipped += 1
            print("skipped %s: %s" % (title, why))
        else:
            passed += 1
            print("ok      %s" % title)
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
