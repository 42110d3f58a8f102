"""A receiver of webhooks that does what a test says: an answer per request, or none at all.

    with Receiver(500, "hang", 204) as receiver:      # the last one is for all that follow
        receiver.url, receiver.messages               # what came, each with "headers" and "path" beside the JSON of the body
"""

import json
import threading
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Message = namedtuple("Message", "path headers body status")


class Receiver:
    def __init__(self, *script, headers=None):
        self.script, self.headers, self.messages, self.released = list(script) or [204], headers or {}, [], threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                step = receiver.script.pop(0) if len(receiver.script) > 1 else receiver.script[0]
                receiver.messages.append(Message(self.path, self.headers, body, step))
                if step == "hang":
                    receiver.released.wait(60)
                    self.close_connection = True
                    return
                self.send_response(step)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?room=7"

    def delivered(self):
        """The bodies of what was answered 2xx."""
        return [message.body for message in self.messages if message.status != "hang" and 200 <= message.status < 300]

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
