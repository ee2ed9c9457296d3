"""An ssh-agent that holds the key of a hardware token, for the tests. The token is made of software.

    token_agent.py SOCKET ed25519|ecdsa

Prints the public key when the socket is there.
"""

import base64
import hashlib
import socket
import struct
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

APPLICATION = b"ssh:"
# Somebody touched the token.
TOUCHED = 1


def string(data):
    return struct.pack(">I", len(data)) + data


def mpint(number):
    return string(number.to_bytes(number.bit_length() // 8 + 1, "big"))


class Ed25519:
    kind = b"sk-ssh-ed25519@openssh.com"

    def __init__(self):
        self.key = ed25519.Ed25519PrivateKey.generate()

    def public(self):
        raw = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return string(self.key.public_key().public_bytes(*raw))

    def sign(self, data):
        return self.key.sign(data)


class Ecdsa:
    kind = b"sk-ecdsa-sha2-nistp256@openssh.com"

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())

    def public(self):
        encoding = (serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        return string(b"nistp256") + string(self.key.public_key().public_bytes(*encoding))

    def sign(self, data):
        r, s = utils.decode_dss_signature(self.key.sign(data, ec.ECDSA(hashes.SHA256())))
        return mpint(r) + mpint(s)


def fields(data):
    while len(data) >= 4:
        (length,) = struct.unpack(">I", data[:4])
        yield data[4 : 4 + length]
        data = data[4 + length :]


def answer(token, blob, request):
    kind, rest = request[0], request[1:]
    if kind == 11:
        return b"\x0c" + struct.pack(">I", 1) + string(blob) + string(b"token")
    if kind == 13:
        found, data = list(fields(rest))[:2]
        if found == blob:
            tail = struct.pack(">BI", TOUCHED, 7)
            signed = hashlib.sha256(APPLICATION).digest() + tail + hashlib.sha256(data).digest()
            return b"\x0e" + string(string(token.kind) + string(token.sign(signed)) + tail)
    return b"\x05"


def serve(stream, token, blob):
    while head := stream.read(4):
        request = stream.read(struct.unpack(">I", head)[0])
        stream.write(string(answer(token, blob, request)))
        stream.flush()


def main():
    path, kind = sys.argv[1:]
    token = {"ed25519": Ed25519, "ecdsa": Ecdsa}[kind]()
    blob = string(token.kind) + token.public() + string(APPLICATION)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    print(token.kind.decode(), base64.b64encode(blob).decode(), flush=True)
    while True:
        connection, _ = listener.accept()
        with connection, connection.makefile("rwb") as stream:
            serve(stream, token, blob)


main()
