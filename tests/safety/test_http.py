"""Bytes that two HTTP parsers could read differently, and clients that take their time."""
import json
import socket
import unittest

from harness import LONG, MODEL, Server

HOST = b"Host: localhost\r\n"
SMUGGLED = b"GET /api/version HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /api/show HTTP/1.1\r\n" + HOST
BODY = b'{"model":"smollm2:135m"}'
# What must be one 400 and the end of the connection: nothing behind it is read as a request.
AMBIGUOUS = (
    POST + b"Content-Length: 0\r\nContent-Length: 48\r\n\r\n" + SMUGGLED,
    POST + b"Content-Length: 48\r\nContent-Length: 48\r\n\r\n" + SMUGGLED,
    POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    POST + b"Content-Length: +5\r\n\r\nhello" + SMUGGLED,
    POST + b"Content-Length: -1\r\n\r\n" + SMUGGLED,
    POST + b"Content-Length: 0x5\r\n\r\nhello" + SMUGGLED,
    POST + b"Content-Length: 5, 5\r\n\r\nhello" + SMUGGLED,
    POST + b"Content-Length: 99999999999999999999999\r\n\r\n" + SMUGGLED,
    POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + SMUGGLED,
    POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n" + SMUGGLED,
    POST + b"Transfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n" + SMUGGLED,
    POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nbad trailer\r\n\r\n" + SMUGGLED,
    b"POST /api/show HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    b"GET / HTTP/1.1\r\n" + HOST + b"Host: evil.example\r\n\r\n" + SMUGGLED,
    b"GET / HTTP/1.1\r\n\r\n" + SMUGGLED,
    b"GET / HTTP/1.1\n" + HOST + b"\n\n" + SMUGGLED,
    b"GET / HTTP/1.1\r\n" + HOST + b"A: b\rc\r\n\r\n" + SMUGGLED,
    b"GET / HTTP/1.1\r\n" + HOST + b"A: b\0c\r\n\r\n" + SMUGGLED,
    b"GET /a\0b HTTP/1.1\r\n" + HOST + b"\r\n" + SMUGGLED,
    b"GET /%00 HTTP/1.1\r\n" + HOST + b"\r\n" + SMUGGLED,
    b"GET / HTTP/9.9\r\n" + HOST + b"\r\n" + SMUGGLED,
    b"GET ftp://localhost/ HTTP/1.1\r\n" + HOST + b"\r\n" + SMUGGLED,
    b"\x16\x03\x01\x02\x00\x01\x00" + b"\0" * 32,  # TLS
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
)
# What one server may take and answers as often as it was asked.
GOOD = (
    (POST + b"Content-Length: 24\r\n\r\n" + BODY + SMUGGLED, 2),
    (POST + b"Transfer-Encoding: chunked\r\n\r\n18;x=y\r\n" + BODY + b"\r\n0\r\nT: v\r\n\r\n"
     + SMUGGLED, 2),
    (b"\r\n" + SMUGGLED * 20, 20),
    (b"GET http://localhost/api/version HTTP/1.1\r\n" + HOST + b"\r\n", 1),
    (b"GET /api/version HTTP/1.0\r\n\r\n" + SMUGGLED, 1),
)


class Http(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server().start()
        cls.addClassCleanup(cls.server.end)

    def tearDown(self):
        self.assertEqual(self.server.get("/api/version").status, 200)

    def connect(self):
        host, port = self.server.addresses[0].rsplit(":", 1)
        return socket.create_connection((host, int(port)), timeout=LONG)

    def ask(self, data):
        """Sends, ends sending, and returns all that comes."""
        with self.connect() as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            return read_all(client)

    def test_what_is_ambiguous_is_refused(self):
        for data in AMBIGUOUS:
            with self.subTest(data=data[:90]):
                answer = self.ask(data)
                self.assertRegex(answer[:20], rb"^HTTP/1.1 4\d\d ")
                self.assertEqual(answer.count(b"HTTP/1.1 "), 1, answer)
                self.assertNotIn(b'"version"', answer)

    def test_what_is_clear_is_answered(self):
        for data, answers in GOOD:
            with self.subTest(data=data[:90]):
                answer = self.ask(data)
                self.assertEqual(answer.count(b"HTTP/1.1 200 "), answers, answer[:300])

    def test_an_absolute_target_names_the_host(self):
        answer = self.ask(b"GET http://evil.example/api/tags HTTP/1.1\r\n" + HOST + b"\r\n")
        self.assertTrue(answer.startswith(b"HTTP/1.1 403 "), answer)

    def test_continue_comes_before_the_body(self):
        with self.connect() as client:
            client.sendall(POST + b"Expect: 100-continue\r\nContent-Length: 24\r\n"
                           b"Connection: close\r\n\r\n")
            self.assertEqual(client.recv(25), b"HTTP/1.1 100 Continue\r\n\r\n")
            client.sendall(BODY)
            self.assertTrue(read_all(client).startswith(b"HTTP/1.1 200 "))
        self.assertTrue(self.ask(POST + b"Expect: magic\r\n\r\n").startswith(b"HTTP/1.1 417 "))

    def test_large_heads_and_bodies(self):
        for head, status in ((b"A: " + b"b" * 70_000 + b"\r\n", b"431"),
                             (b"A: b\r\n" * 200, b"431"),
                             (b"Content-Length: 68719476736\r\n", b"413")):
            answer = self.ask(POST + head + b"\r\n")
            self.assertTrue(answer.startswith(b"HTTP/1.1 " + status), answer[:80])
        # A body that is announced as small as can be, and never ends.
        with self.connect() as client:
            client.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
            try:
                while True:
                    client.sendall(b"100000\r\n" + b" " * 0x100000 + b"\r\n")
            except OSError:
                pass  # it closed, after it had said why

    def test_slow_clients_hold_up_nobody(self):
        """200 that send a byte and stop, in every part of a request; others are answered."""
        stuck = []
        try:
            for i in range(200):
                client = self.connect()
                client.sendall((b"G", b"GET / HTTP/1.1\r\nHo", POST + b"Content-Length: 50\r\n\r\n{",
                                POST + b"Transfer-Encoding: chunked\r\n\r\n5")[i % 4])
                stuck.append(client)
            for _ in range(20):
                self.assertEqual(self.server.get("/api/version").status, 200)
            self.assertEqual(self.server.generate("Hi").status, 200)
        finally:
            for client in stuck:
                client.close()

    def test_a_client_that_does_not_read_stops_no_other(self):
        """Its answer is long, and it reads nothing: the model goes on to the next."""
        body = (b'{"model":"%b","prompt":"Hi","options":{"num_predict":64,"temperature":0}}'
                % MODEL.encode())
        lazy = []
        try:
            for _ in range(3):
                client = self.connect()
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.sendall(b"POST /api/generate HTTP/1.1\r\n" + HOST
                               + b"Content-Length: %d\r\n\r\n" % len(body) + body)
                lazy.append(client)
            reply = self.server.generate("Hi", options={"num_predict": 64})
            self.assertEqual(reply.status, 200)
            # What they did not read is still theirs, and is what the other one got.
            for client in lazy:
                answer = b""
                while b'"done":true' not in answer:
                    answer += client.recv(4096)
                self.assertEqual(text_of(answer), reply.json["response"])
        finally:
            for client in lazy:
                client.close()


def text_of(answer):
    lines = [line for line in answer.split(b"\r\n") if line.startswith(b"{")]
    return "".join(json.loads(line)["response"] for line in lines)


def read_all(client):
    out = b""
    try:
        while data := client.recv(65536):
            out += data
    except ConnectionResetError:
        pass  # the server closed on bytes that nobody reads
    return out


if __name__ == "__main__":
    unittest.main()
