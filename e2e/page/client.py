"""A second client of the ferry protocol, written from docs/protocol.md and nothing else.

It is small on purpose: one connection, files that fit into memory, logins by password. Where the
page and the server differ, the tests that run it fail.
"""

import base64
import hashlib
import json
import socket
import ssl
import struct

import blake3
from blake3 import BLOCK

MESSAGE, BLOCK_FRAME, HAVE = 1, 2, 3


class Refused(Exception):
    """The server's `refused`."""

    def __init__(self, fields):
        super().__init__(f"{fields['code']}: {fields['message']}")
        self.code = fields["code"]
        self.retry = fields["retry"]


class Closed(Exception):
    """The server closed the connection."""


def name_of(value):
    """A name or path as JSON."""
    if isinstance(value, str):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"bytes": base64.b64encode(value).decode()}


def fingerprint(certificate):
    """Of the key in a certificate (DER): the sixth field of what is signed, after the version."""

    def element(at):
        length, body = certificate[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            length, body = int.from_bytes(certificate[body:body + count], "big"), body + count
        return body, body + length

    at, _ = element(0)
    at, _ = element(at)
    if certificate[at] == 0xA0:
        _, at = element(at)
    for _ in range(5):
        _, at = element(at)
    _, end = element(at)
    digest = hashlib.sha256(certificate[at:end]).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


class Client:
    """One connection."""

    def __init__(self, address, expected, features=()):
        host, port = address.rsplit(":", 1)
        tcp = socket.create_connection((host.strip("[]"), int(port)), timeout=60)
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_alpn_protocols(["ferry/1"])
        self.stream = context.wrap_socket(tcp)
        found = fingerprint(self.stream.getpeercert(binary_form=True))
        assert found == expected, f"the server's key is {found}"
        self.buffer = bytearray()
        self.notices = []
        hello = {"protocol": 1, "client": "page/1", "features": list(features)}
        self.welcome = self.ask({"hello": hello}, "welcome")

    def close(self):
        self.stream.close()

    # Frames

    def send_frame(self, kind, payload):
        self.stream.sendall(struct.pack(">I", kind << 24 | len(payload)) + payload)

    def send(self, message):
        self.send_frame(MESSAGE, json.dumps(message).encode())

    def send_block(self, index, data):
        # A block of zeros travels without bytes.
        self.send_frame(BLOCK_FRAME, struct.pack(">Q", index) + (data if any(data) else b""))

    def send_haves(self, digests, first=0):
        for at in range(0, len(digests), 1024):
            self.send_frame(HAVE, struct.pack(">Q", first + at) + b"".join(digests[at:at + 1024]))
        self.send_frame(HAVE, bytes(8))

    def take(self, count):
        while len(self.buffer) < count:
            received = self.stream.recv(1 << 18)
            if not received:
                raise Closed
            self.buffer += received
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken

    def frame(self):
        """The next frame that is no notice: its kind, and a message's name and fields or the payload."""
        while True:
            head = struct.unpack(">I", self.take(4))[0]
            kind, payload = head >> 24, self.take(head & 0xFFFFFF)
            if kind != MESSAGE:
                return kind, (struct.unpack(">Q", payload[:8])[0], payload[8:])
            message = json.loads(payload)
            name, fields = (message, None) if isinstance(message, str) else next(iter(message.items()))
            if name != "notice":
                return kind, (name, fields)
            self.notices.append(fields)

    def answer(self, *names):
        kind, (name, fields) = self.frame()
        assert kind == MESSAGE, f"a frame of kind {kind} where an answer is due"
        if name == "refused":
            raise Refused(fields)
        assert name in names, f"{name} where one of {names} is due"
        return fields

    def ask(self, message, *names):
        self.send(message)
        return self.answer(*names)

    # Requests

    def login(self, user, password):
        return self.ask({"login": {"user": user, "proof": {"password": password}}}, "logged_in")

    def pages(self, message):
        self.send(message)
        more = True
        while more:
            page = self.answer("entries")
            more = page["more"]
            yield page

    def list(self, path):
        return [entry for page in self.pages({"list": {"path": name_of(path)}}) for entry in page["entries"]]

    def uploads(self):
        """All unfinished uploads, and in how many messages they came."""
        self.send("uploads")
        uploads, messages, more = [], 0, True
        while more:
            page = self.answer("uploads")
            uploads, messages, more = uploads + page["uploads"], messages + 1, page.get("more", False)
        return uploads, messages

    def run(self, *words):
        """A command: what it wrote to each stream, and its status."""
        self.send({"run": {"words": [name_of(word) for word in words]}})
        written = {"out": b"", "err": b""}
        while True:
            fields = self.answer("output", "exited")
            if "status" in fields:
                return written["out"], written["err"], fields["status"]
            piece = fields["bytes"]
            piece = piece.encode() if isinstance(piece, str) else base64.b64decode(piece["bytes"])
            written[fields["stream"]] += piece

    # Uploads

    def declare(self, path, size, **fields):
        if size is not None:
            fields["size"] = size
        self.send({"put": {"path": name_of(path), **fields}})

    def commit(self, size, root):
        self.send({"commit": {"size": size, "root": root.hex()}})

    def put_small(self, path, data, **fields):
        """A file of one block or none: everything goes out at once."""
        self.declare(path, len(data), **fields)
        if data:
            self.send_block(0, data)
        self.commit(len(data), blake3.plain(data))
        return self.answer("stored")

    def ready(self):
        """The basis, and the digests of what the server has."""
        ready = self.answer("ready")
        held = []
        while len(held) < ready["have_blocks"]:
            kind, (first, digests) = self.frame()
            assert kind == HAVE and first == len(held)
            held += [digests[at:at + 32] for at in range(0, len(digests), 32)]
        return ready["basis"], held

    def put_large(self, path, data, stop_before=None, **fields):
        """A file of several blocks: only those that the server does not have; which those were."""
        digests = blake3.blocks(data)
        self.declare(path, len(data), **fields)
        basis, held = self.ready()
        sent = []
        for index, digest in enumerate(digests):
            if index < len(held) and held[index] == digest:
                continue
            if index == stop_before:
                return basis, sent, None
            self.send_block(index, data[index * BLOCK:(index + 1) * BLOCK])
            sent.append(index)
        root = blake3.root_of(digests)
        self.commit(len(data), root)
        stored = self.answer("stored")
        assert stored["root"] == root.hex() and stored["size"] == len(data)
        return basis, sent, stored

    # Downloads

    def get(self, path, held=b"", digests=None):
        """A whole file, of which `held` is here; which blocks came."""
        digests = blake3.blocks(held) if digests is None else digests
        self.send({"get": {"path": name_of(path)}})
        self.send_haves(digests)
        opened = self.answer("opened")
        count, found, came = -(-opened["size"] // BLOCK), [], []
        while True:
            kind, (first, second) = self.frame()
            if kind == BLOCK_FRAME:
                length = min(BLOCK, opened["size"] - first * BLOCK)
                while len(found) < first:
                    found.append(held[len(found) * BLOCK:(len(found) + 1) * BLOCK])
                found.append(second or bytes(length))
                came.append(first)
                continue
            if first == "refused":
                raise Refused(second)
            assert first == "sent", first
            break
        while len(found) < count:
            found.append(held[len(found) * BLOCK:(len(found) + 1) * BLOCK])
        data = b"".join(found)
        assert blake3.root_of(blake3.blocks(data)).hex() == second["root"], "what came is not what the server has"
        return data, came
