#!/usr/bin/env python3
"""Checks metrics and webhook with Prometheus and Alertmanager.

    python3 checks/monitoring.py BINARIES PROMETHEUS WORK

BINARIES has tcp-chatd and tcp-chat-cli, PROMETHEUS has prometheus, prometheus-alertmanager and promtool, WORK
is a folder for what they write. checks/monitoring.sh fetches the programs and calls this script. All
processes run on loopback and are stopped by their ids. The last line is `N passed, N failed`.
"""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.parse

from running import get

HERE = pathlib.Path(__file__).resolve().parent.parent
RULES = HERE / "packaging/prometheus/tcp-chatd.rules.yml"
DASHBOARD = HERE / "packaging/grafana/tcp-chatd.json"
BINARIES, PROMETHEUS, WORK = (pathlib.Path(word) for word in sys.argv[1:4])
TOKEN = "0123456789abcdef" * 2
PATIENCE = 60
# Ratios of absent events have no values here, and what a lone daemon does not have.
MAY_BE_EMPTY = re.compile(r"histogram_quantile|/ rate|tcp_chatd_cluster_")

passed = failed = 0
running = []


def check(what, good, why=""):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    if not good:
        print(f"FAILED: {what} {why}", flush=True)


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def start(name, *words):
    log = open(WORK / f"{name}.log", "wb")
    process = subprocess.Popen([str(word) for word in words], stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=WORK)
    running.append((name, process))
    return process


def until(what, probe):
    """Waits for the first good answer of a probe."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = probe()
        if found:
            return found
        time.sleep(0.1)
    logs = "\n".join(f"--- {name}\n{(WORK / f'{name}.log').read_text()[-2000:]}" for name, _ in running)
    raise SystemExit(f"FAILED: {what} does not come\n{logs}")


def query(base, expression):
    """The series of an expression, or the sentence of an error."""
    status, body = get(f"{base}/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
    answer = json.loads(body) if status in (200, 400, 422) else {"status": "error", "error": f"{status} {body}"}
    return (answer["data"]["result"], None) if answer["status"] == "success" else (None, answer["error"])


def cli(*words, limit=60):
    command = [BINARIES / "tcp-chat-cli", "--ca", WORK / "certs/ca.pem", *words, f"localhost:{chat}"]
    # Options come first, then the server, then the command.
    at = next(i for i, word in enumerate(command) if word in ("send", "wait"))
    command = command[:at] + [command[-1]] + command[at:-1]
    home = dict(os.environ, HOME=str(WORK), XDG_CONFIG_HOME=str(WORK / "home"), XDG_STATE_HOME=str(WORK / "home"))
    return subprocess.Popen([str(w) for w in command], env=home, cwd=WORK, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


def rules_of(base):
    """Every rule as Prometheus has loaded it."""
    status, body = get(f"{base}/api/v1/rules")
    groups = json.loads(body)["data"]["groups"] if status == 200 else []
    rules = [rule for group in groups for rule in group["rules"]]
    return rules if rules and all(rule.get("lastEvaluation", "0001").startswith("2") for rule in rules) else None


chat, figures, posts, prometheus, alertmanager = (free_port() for _ in range(5))
seen, am = f"http://127.0.0.1:{prometheus}", f"http://127.0.0.1:{alertmanager}"


def main():
    # SIGTERM raises an exception, so that the started processes end, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))
    (WORK / "config.toml").write_text(
        f"""[listen]
address = "127.0.0.1:{chat}"
[metrics]
address = "127.0.0.1:{figures}"
[http]
address = "127.0.0.1:{posts}"
token_file = "http.token"
rooms = ["ops"]
"""
    )
    (WORK / "http.token").write_text(TOKEN + "\n")
    (WORK / "prometheus.yml").write_text(
        f"""global: {{ scrape_interval: 1s, evaluation_interval: 1s }}
rule_files: [{json.dumps(str(RULES))}]
scrape_configs:
  - job_name: tcp-chatd
    static_configs: [{{ targets: ["127.0.0.1:{figures}"] }}]
alerting:
  alertmanagers: [{{ static_configs: [{{ targets: ["127.0.0.1:{alertmanager}"] }}] }}]
"""
    )
    (WORK / "alertmanager.yml").write_text(
        f"""route: {{ receiver: chat, group_wait: 0s, group_by: [alertname] }}
receivers:
  - name: chat
    webhook_configs:
      - url: http://127.0.0.1:{posts}/rooms/ops/messages
        http_config: {{ authorization: {{ credentials_file: http.token }} }}
"""
    )
    promtool = PROMETHEUS / "promtool"
    for words in (["check", "rules", RULES], ["check", "config", WORK / "prometheus.yml"]):
        done = subprocess.run([promtool, *words], capture_output=True, text=True)
        check(f"promtool {words[1]}", done.returncode == 0, done.stdout + done.stderr)

    start("tcp-chatd", BINARIES / "tcp-chatd", "--config", WORK / "config.toml")
    base = f"http://127.0.0.1:{figures}"
    until("the daemon", lambda: get(f"{base}/readyz")[0] == 200)
    text = get(f"{base}/metrics")[1]
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True)
    check("promtool check metrics", done.returncode == 0, done.stdout + done.stderr)

    start("alertmanager", PROMETHEUS / "prometheus-alertmanager", f"--config.file={WORK}/alertmanager.yml",
          f"--storage.path={WORK}/alerts", f"--web.listen-address=127.0.0.1:{alertmanager}", "--cluster.listen-address=")
    start("prometheus", PROMETHEUS / "prometheus", f"--config.file={WORK}/prometheus.yml",
          f"--storage.tsdb.path={WORK}/series", f"--web.listen-address=127.0.0.1:{prometheus}")

    # A user talks, so that the metrics have values.
    for text in ("one", "two", "three"):
        said = cli("--name", "ana", "--room", "ops", "send", text)
        check("a message is sent", said.wait(timeout=60) == 0)
    until("Prometheus", lambda: get(f"{seen}/-/ready")[0] == 200)
    until("Alertmanager", lambda: get(f"{am}/-/ready")[0] == 200)
    # Between scrapes, a load balancer checks the port: no rule may fire for that.
    until("a scrape", lambda: query(seen, "count_over_time(tcp_chatd_ready[1m]) > 1")[0])
    for _ in range(50):
        socket.create_connection(("127.0.0.1", chat)).close()
    # Rates need several scrapes.
    until("a rate", lambda: query(seen, "count_over_time(tcp_chatd_ready[1m]) > 5")[0])
    found, why = query(seen, "tcp_chatd_messages_in_total")
    check("the scrape has what was said", found and found[0]["value"][1] == "3", why or found)
    found, why = query(seen, 'up{job="tcp-chatd"}')
    check("the scrape works", found and found[0]["value"][1] == "1", why or found)

    rules = until("the rules", lambda: rules_of(seen))
    wanted = len(re.findall(r"^ +- alert:", RULES.read_text(), re.M))
    check("every rule is loaded", len(rules) == wanted, f"{len(rules)} of {wanted}")
    for rule in rules:
        check(rule["name"], rule["health"] == "ok", rule.get("lastError"))
        check(f"{rule['name']} is quiet", not rule["alerts"], rule["alerts"])
        # The compared metric must exist even if the comparison does not hold.
        for metric in set(re.findall(r"\b(?:tcp_chatd|process)_[a-z_]+", rule["query"])):
            check(f"{rule['name']}: {metric}", query(seen, metric)[0] or MAY_BE_EMPTY.search(metric), "is empty")

    targets = [(panel["title"], target["expr"]) for panel in json.loads(DASHBOARD.read_text())["panels"] for target in panel["targets"]]
    for title, expression in targets:
        expression = expression.replace("$instance", ".*").replace("$__rate_interval", "30s")
        found, why = query(seen, expression)
        check(f"dashboard, {title}", why is None, f"{expression}: {why}")
        check(f"dashboard, {title}", found or MAY_BE_EMPTY.search(expression), f"{expression} is empty")

    # An alert of Alertmanager arrives in the room, once.
    waits = cli("--name", "bo", "--room", "ops", "--timeout", "60s", "--json", "wait", "--match", "FIRING DiskFull")
    # A member of the room sees messages from then on.
    until("somebody who waits", lambda: "sessions{state=\"here\"} 2" in get(f"{base}/metrics")[1])
    alert = [{"labels": {"alertname": "DiskFull", "severity": "page", "instance": "web1"}, "annotations": {"summary": "/var is full"}}]
    status, body = get(f"{am}/api/v2/alerts", json.dumps(alert).encode(), {"Content-Type": "application/json"})
    check("Alertmanager takes an alert", status == 200, body)
    out, _ = waits.communicate(timeout=90)
    check("the alert is in the room", waits.returncode == 0, f"exit code {waits.returncode}")
    heard = [json.loads(line) for line in out.splitlines()]
    want = ("alerts", "FIRING DiskFull (page) on web1: /var is full")
    check("and says what is wrong", [(m["user"], m["msg"]) for m in heard] == [want], out)
    found = until("the post in a scrape", lambda: query(seen, 'tcp_chatd_http_posts_total{outcome="kept"} == 1')[0])
    check("one post", len(found) == 1)

    # The daemon stops, and Prometheus notices it.
    end("tcp-chatd")
    until("an alert about it", lambda: any(r["name"] == "TcpChatdDown" and r["alerts"] for r in rules_of(seen) or []))
    check("TcpChatdDown", True)


def end(name):
    for known, process in running:
        if known == name and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


try:
    main()
finally:
    for name, _ in list(running):
        end(name)
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
