"""Where alerts arrive: a web server that takes Slack's webhook calls, and a mail server."""

import email
import email.header
import http.server
import json
import socketserver
import threading


class Received:
    """Titles of what arrived, such as "[FIRING] BoxofficeTargetDown"."""

    def __init__(self):
        self.titles = []
        self.lock = threading.Lock()

    def add(self, title):
        with self.lock:
            self.titles.append(title)

    def has(self, status, alert):
        with self.lock:
            return f"[{status}] {alert}" in self.titles


class SlackHandler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert body["channel"] == "#boxoffice"
        for attachment in body["attachments"]:
            assert attachment["text"].strip(), "an alert says what it is about"
            self.server.received.add(attachment["title"])
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


class MailHandler(socketserver.StreamRequestHandler):
    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def handle(self):
        self.say("220 mail")
        while line := self.rfile.readline():
            verb = line.decode().strip().upper()
            if verb.startswith("DATA"):
                self.say("354 go on")
                self.take_message()
                self.say("250 taken")
            elif verb.startswith("QUIT"):
                self.say("221 bye")
                return
            else:
                self.say("250 mail")

    def take_message(self):
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line)
        message = email.message_from_bytes(b"".join(lines))
        assert message["To"] == "operators@example.com"
        parts = email.header.decode_header(message["Subject"])
        self.server.received.add("".join(
            part.decode(charset or "ascii") if isinstance(part, bytes) else part
            for part, charset in parts))


class Sink:
    def __init__(self, server):
        self.received = server.received = Received()
        self.server = server
        self.thread = threading.Thread(target=server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Mail(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def slack_sink(port):
    return Sink(http.server.ThreadingHTTPServer(("127.0.0.1", port), SlackHandler))


def mail_sink(port):
    return Sink(Mail(("127.0.0.1", port), MailHandler))
