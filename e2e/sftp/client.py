"""An SFTP client made of paramiko, for the tests: names are bytes, and it can end without closing its files.

    client.py HOST PORT USER KEY OPERATION ARGUMENT…
"""

import os
import sys

import paramiko


class Bytes(paramiko.SFTPClient):
    """Sends names as they are: paramiko decodes the names in listings as UTF-8."""

    def names(self, path):
        handle = self._request(paramiko.sftp.CMD_OPENDIR, path)[1].get_binary()
        try:
            while True:
                kind, message = self._request(paramiko.sftp.CMD_READDIR, handle)
                for _ in range(message.get_int()):
                    name = message.get_binary()
                    message.get_binary()
                    paramiko.SFTPAttributes._from_msg(message)
                    yield name
        except EOFError:
            self._request(paramiko.sftp.CMD_CLOSE, handle)


def write_backwards(sftp, local, remote, block=32768):
    """Writes the blocks of a file from its end to its start."""
    size = os.path.getsize(local)
    with open(local, "rb") as source, sftp.open(remote, "w") as target:
        for offset in reversed(range(0, size, block)):
            source.seek(offset)
            target.seek(offset)
            target.write(source.read(block))


def write_without_close(sftp, local, remote):
    """Writes a whole file, and ends before it is closed."""
    target = sftp.open(remote, "w")
    with open(local, "rb") as source:
        while block := source.read(32768):
            target.write(block)
    # Every write is answered.
    print("written", flush=True)
    os._exit(9)


def main():
    host, port, user, key, operation, *arguments = sys.argv[1:]
    transport = paramiko.Transport((host, int(port)))
    transport.connect(username=user, pkey=paramiko.Ed25519Key.from_private_key_file(key))
    sftp = Bytes.from_transport(transport)
    names = [os.fsencode(argument) for argument in arguments]
    operations = {
        "put": lambda: sftp.put(arguments[0], names[1]),
        "get": lambda: sftp.get(names[0], arguments[1]),
        "rename": lambda: sftp.rename(*names),
        "replace": lambda: sftp.posix_rename(*names),
        "rm": lambda: sftp.remove(*names),
        "mkdir": lambda: sftp.mkdir(*names),
        "rmdir": lambda: sftp.rmdir(*names),
        "ls": lambda: sys.stdout.buffer.write(b"".join(name + b"\n" for name in sftp.names(*names))),
        "backwards": lambda: write_backwards(sftp, arguments[0], names[1]),
        "unclosed": lambda: write_without_close(sftp, arguments[0], names[1]),
    }
    operations[operation]()
    sys.stdout.flush()
    transport.close()


main()
