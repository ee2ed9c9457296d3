"""Uses the server as the page says, one thing at a time: trial.py ADDRESS FINGERPRINT USER PASSWORD TRIAL"""

import hashlib
import random
import sys

import blake3
from blake3 import BLOCK
from client import Client, Closed, Refused

ADDRESS, FINGERPRINT, USER, PASSWORD = sys.argv[1:5]
LARGE = 3 * BLOCK - 5


def connect(features=()):
    client = Client(ADDRESS, FINGERPRINT, features)
    client.login(USER, PASSWORD)
    return client


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


def refused(client, *more):
    """The code of the next answer, which must be a refusal."""
    try:
        client.answer(*more)
    except Refused as refusal:
        return refusal.code
    raise AssertionError("it was not refused")


def alive(client):
    client.ask("ping", "pong")


def digests():
    # Of the reference implementation's test vectors: bytes that count from 0 to 250, again and again.
    known = {
        0: "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
        1: "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
        1023: "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11",
        1024: "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
        1025: "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
        102400: "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085",
    }
    for size, digest in known.items():
        data = bytes(number % 251 for number in range(size))
        assert blake3.plain(data).hex() == digest, size
    data = noise(LARGE)
    assert blake3.root_of(blake3.blocks(data)) == blake3.plain(data)


def login():
    client = Client(ADDRESS, FINGERPRINT)
    assert client.welcome["protocol"] == 1 and client.welcome["registration"] == "closed"
    limits = client.welcome["limits"]
    assert limits["connections"] > 0 and limits["idle_seconds"] > 0
    client.send({"list": {"path": ""}})
    assert refused(client) == "not_allowed"
    client.send({"login": {"user": USER, "proof": {"password": "wrong"}}})
    assert refused(client) == "login_failed"
    client.send({"login": {"user": USER, "proof": {"smile": {}}}})
    assert refused(client) == "unsupported"
    logged_in = client.login(USER, PASSWORD)
    assert logged_in["user"] == USER and logged_in["access"] == "read-write"
    assert logged_in["usage"]["used"] == 0
    other = Client(ADDRESS, FINGERPRINT)
    assert other.ask({"attach": {"ticket": logged_in["ticket"]}}, "logged_in")["user"] == USER
    # Sent ahead: a request behind a refused login, and one behind a login that is accepted.
    ahead = Client(ADDRESS, FINGERPRINT)
    for password in ("wrong", PASSWORD):
        ahead.send({"login": {"user": USER, "proof": {"password": password}}})
        ahead.send({"list": {"path": ""}})
    assert [refused(ahead), refused(ahead)] == ["login_failed", "not_allowed"]
    assert ahead.answer("logged_in")["user"] == USER and ahead.answer("entries")["entries"] == []


def listing():
    client = connect()
    client.ask({"make_dir": {"path": "a/b", "parents": True}}, "done")
    client.put_small("a/one", b"1", mode=0o10640, mtime=[1000, 2_000_000_000])
    client.put_small(b"a/\xff", b"", mode=0o600)
    entries = {str(entry["name"]): entry for entry in client.list("a")}
    assert entries["one"] == {"name": "one", "kind": "file", "size": 1, "mtime": [1000, 999_999_999], "mode": 0o640}
    assert entries["b"]["kind"] == "folder" and entries["b"]["size"] == 0
    assert entries["{'bytes': '/w=='}"]["kind"] == "file"
    under = {str(page["under"]) for page in client.pages({"walk": {"path": ""}})}
    assert under == {"", "a", "a/b"}, under
    found = [page["entries"] for page in client.pages({"find": {"path": "", "pattern": "o?e"}})]
    assert [entry["name"] for page in found for entry in page] == ["one"]


def small():
    client = connect()
    for data in (b"", b"x", noise(BLOCK - 1), bytes(BLOCK)):
        stored = client.put_small("file", data, if_exists="replace")
        assert stored["root"] == blake3.plain(data).hex() and stored["usage"]["used"] == len(data)
        assert client.get("file")[0] == data
    version = stored["version"]
    client.put_small("file", b"new", if_exists={"replace_version": version})
    for if_exists, code in (({"replace_version": version}, "changed"), ("refuse", "exists")):
        try:
            client.put_small("file", b"x", if_exists=if_exists)
            raise AssertionError("it was stored")
        except Refused as refusal:
            assert refusal.code == code
    assert client.get("file")[0] == b"new"


def large():
    client = connect()
    data = noise(LARGE)
    assert client.put_large("file", data)[:2] == ("none", [0, 1, 2])
    changed = data[:BLOCK + 7] + b"!" + data[BLOCK + 8:]
    # What is there is the basis: one block differs.
    assert client.put_large("file", changed, if_exists="replace", basis="current")[:2] == ("current", [1])
    assert client.get("file") == (changed, [0, 1, 2])
    # Of unknown size, of one block and of several; the last block is a hole.
    for data in (b"short", noise(BLOCK), noise(BLOCK) + bytes(BLOCK) + b"end"):
        client.declare("stream", None)
        assert client.ready() == ("none", [])
        for index in range(-(-len(data) // BLOCK)):
            block = data[index * BLOCK:(index + 1) * BLOCK]
            client.send_frame(2, index.to_bytes(8, "big") + block)
        client.commit(len(data), blake3.plain(data))
        client.answer("stored")
        client.ask({"remove": {"path": "stream"}}, "removed")
    zeros = noise(BLOCK) + bytes(2 * BLOCK)
    client.put_large("zeros", zeros)
    assert client.get("zeros")[0] == zeros


def resume():
    client = connect()
    data = noise(LARGE)
    assert client.put_large("file", data, stop_before=2) == ("none", [0, 1], None)
    client.close()
    client = connect()
    uploads, _ = client.uploads()
    while uploads[0]["active"]:
        uploads, _ = client.uploads()
    upload = uploads[0]
    assert upload["path"] == "file" and upload["size"] == LARGE and upload["received"] == 2 * BLOCK
    assert upload["reserved"] == LARGE and upload["started"][0] < upload["expires"][0]
    basis, sent, _ = client.put_large("file", data, basis="staged")
    assert (basis, sent) == ("staged", [2])
    assert client.get("file")[0] == data and client.uploads()[0] == []


def have():
    client = connect()
    data = noise(LARGE)
    client.put_large("file", data)
    other = data[:BLOCK] + noise(BLOCK, 2) + data[2 * BLOCK:]
    assert client.get("file", held=data) == (data, [])
    assert client.get("file", held=other) == (data, [1])
    # One block of a file that is larger has another digest than a file of one block.
    first = blake3.blocks(data[:BLOCK], alone=False)
    assert client.get("file", held=data[:BLOCK], digests=first) == (data, [1, 2])
    assert client.get("file", held=data[:BLOCK]) == (data, [0, 1, 2])
    client.send({"get": {"path": "file", "blocks": {"first": 1, "count": 99}}})
    client.send_haves([])
    client.answer("opened")
    assert [client.frame()[1][0] for _ in range(3)] == [1, 2, "sent"]


def refused_put():
    client = connect()
    client.put_small("file", b"x")
    data = noise(LARGE)
    root = blake3.plain(data)
    for ahead in ("nothing", "a block", "a commit", "both"):
        client.declare("file/below", LARGE)
        if ahead in ("a block", "both"):
            client.send_block(0, data[:BLOCK])
        if ahead in ("a commit", "both"):
            client.commit(LARGE, root)
        assert refused(client) == "not_directory", ahead
        alive(client)
    # After the answer to another request a `commit` belongs to nothing.
    client.declare("file/below", LARGE)
    client.send("ping")
    assert refused(client) == "not_directory"
    client.answer("pong")
    client.commit(LARGE, root)
    assert refused(client) == "malformed"
    try:
        alive(client)
        raise AssertionError("the connection goes on")
    except (Closed, OSError):
        pass


def giving_up():
    client, other = connect(), connect()
    for meanwhile in ("nothing", "another upload", "a removal", "a block after a removal"):
        client.declare("file", LARGE)
        client.ready()
        client.send_block(0, noise(BLOCK))
        if meanwhile == "another upload":
            other.declare("file", LARGE)
            other.ready()
        elif meanwhile != "nothing":
            # The block before it may be on its way still.
            other.ask({"discard": {"path": "file"}}, "done")
        if meanwhile == "a block after a removal":
            client.send_block(1, noise(BLOCK))
        client.send("ping")
        assert refused(client) == "superseded", meanwhile
        client.answer("pong")
        alive(client)
        if meanwhile == "another upload":
            other.send("ping")
            assert refused(other) == "superseded"
            other.answer("pong")
    client.declare("small", 5)
    client.send("ping")
    assert refused(client) == "superseded"
    client.answer("pong")
    # To throw its own part away is answered once for both.
    client.declare("file", LARGE)
    client.ready()
    client.ask({"discard": {"path": "file"}}, "done")
    alive(client)
    # What arrived stays, except of a stream.
    client.declare("stream", None)
    client.ready()
    client.send("ping")
    assert refused(client) == "superseded"
    client.answer("pong")
    client.put_large("file", noise(LARGE), stop_before=1)
    client.send("uploads")
    assert refused(client) == "superseded"
    left = client.answer("uploads")["uploads"]
    assert [upload["path"] for upload in left] == ["file"]


def mismatch():
    client = connect()
    data = noise(LARGE)
    client.declare("file", LARGE)
    client.ready()
    for index in range(3):
        client.send_block(index, data[index * BLOCK:(index + 1) * BLOCK])
    client.commit(LARGE, bytes(32))
    assert refused(client) == "mismatch"
    assert client.put_large("file", data, basis="staged")[:2] == ("staged", [])
    client.declare("small", 3)
    client.send_block(0, b"abc")
    client.commit(3, bytes(32))
    assert refused(client) == "mismatch"
    assert client.uploads()[0] == []


def more_digests():
    client = connect()
    data = noise(LARGE)
    client.put_large("file", data)
    known = blake3.blocks(data)
    assert client.get("file", held=data, digests=known + [bytes(32)] * 5000) == (data, [])
    for shorter in (data[:2 * BLOCK], data[:BLOCK], data[:1], b""):
        if len(shorter) > BLOCK:
            client.put_large("file", shorter, if_exists="replace")
        else:
            client.put_small("file", shorter, if_exists="replace")
        assert client.get("file", held=data, digests=known)[0] == shorter, len(shorter)
    alive(client)
    # Out of order, and told of twice.
    client.put_large("file", data, if_exists="replace")
    for told in ([(1, known[1:2]), (0, known[:1])], [(0, known[:2]), (1, known[1:2])]):
        client = connect()
        client.send({"get": {"path": "file"}})
        client.answer("opened")
        for first, some in told:
            client.send_frame(3, first.to_bytes(8, "big") + b"".join(some))
        kind, answer = client.frame()
        while kind != 1:
            kind, answer = client.frame()
        assert answer[0] == "refused" and answer[1]["code"] == "malformed", answer


def unknown():
    client = connect()
    for message, code in (
        ({"dance": {}}, "unsupported"),
        ("dance", "unsupported"),
        ({"hash": {"path": "file", "algorithm": "md5"}}, "unsupported"),
        ({"list": {}}, "unsupported"),
        ({"put": {"path": "file", "size": 5, "if_exists": "rename"}}, "unsupported"),
        ({"put": {"path": "file", "size": LARGE, "basis": "guessed"}}, "unsupported"),
        ({"get": {"path": "file", "blocks": {"first": 1}}}, "unsupported"),
        ({"stat": {"path": "a/../b"}}, "bad_path"),
        ({"rename": {"from": "none", "to": "other"}}, "not_found"),
    ):
        client.send(message)
        if "put" in message:
            client.send_block(0, b"bytes")
            client.commit(5, blake3.plain(b"bytes"))
        if "get" in message:
            client.send_haves([bytes(32)])
        assert refused(client) == code, message
        alive(client)
    client.ask({"stat": {"path": "", "colour": "red"}}, "entry")
    for message in ({"list": {"path": 7}}, {"list": {"path": ""}, "stat": {"path": ""}}):
        client = connect()
        client.send(message)
        assert refused(client) == "malformed", message


def pages():
    count, folder = 1200, "/".join(["n" * 250] * 3)
    paged = connect(["telepathy", "uploads_pages"])
    assert "uploads_pages" in paged.welcome["features"]
    for number in range(count):
        paged.declare(f"{folder}/{number:05}", 2 * BLOCK, parents=True)
        if number > 0:
            # It gives the one before it up.
            assert refused(paged) == "superseded"
        paged.ready()
    paged.send("ping")
    assert refused(paged) == "superseded"
    paged.answer("pong")
    uploads, messages = paged.uploads()
    paths = [upload["path"] for upload in uploads]
    assert paths == sorted(f"{folder}/{number:05}" for number in range(count)) and messages > 1
    # Who does not know of pages gets one message, as ever.
    first, messages = connect().uploads()
    assert messages == 1 and [upload["path"] for upload in first] == paths[:len(first)] and len(first) >= 1000


def commands():
    client = connect(["run"])
    assert "run" in client.welcome["features"]
    data = b"one\ntwo\xff\n" + noise(3 * BLOCK)
    client.put_large(b"a \xfe", data)
    out, err, status = client.run("head", "-n", "2", b"/./a \xfe")
    assert (out, err, status) == (b"one\ntwo\xff\n", b"", 0)
    out, err, status = client.run("head", "-c", "3145728", b"a \xfe")
    assert (out, err, status) == (data[:3 * BLOCK], b"", 0)
    assert client.run("md5sum", b"a \xfe")[0].split()[0].decode() == hashlib.md5(data).hexdigest()
    out, err, status = client.run("tail", "-c1", "missing", b"a \xfe")
    assert out.endswith(data[-1:]) and err and status == 1
    assert client.run("head", "../x")[2] == 1
    assert client.run("df", "--wrong")[2] in (1, 2)
    out, err, status = client.run("sh", "-c", "id")
    assert (out, status) == (b"", 127) and err
    alive(client)
    # Who does not list the feature has no commands.
    first = connect()
    first.send({"run": {"words": ["df"]}})
    assert refused(first) == "unsupported"
    alive(first)


TRIALS = {
    trial.__name__: trial
    for trial in (digests, login, listing, small, large, resume, have, refused_put, giving_up, mismatch,
                  more_digests, unknown, pages, commands)
}

if __name__ == "__main__":
    TRIALS[sys.argv[5]]()
