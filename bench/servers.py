"""The servers of the benchmarks: ferryd and those of its peers, on loopback at ports that the system chooses."""

import getpass
import os
import socket
import subprocess
import sys
import threading

import clients

PASSWORD = "a password of the benchmarks"
CIPHER = "aes128-gcm@openssh.com"


class Ferryd:
    """A `ferryd` with its own data, and the command lines of clients."""

    def __init__(self, case, users=("bench",)):
        self.programs, self.data = case.programs, case.folder / "ferryd"
        self.password = case.folder / "password"
        self.password.write_text(PASSWORD + "\n")
        self.password.chmod(0o600)
        # An empty configuration, instead of that of the machine.
        common = ["--config", "/dev/null", "--data", self.data]
        ferryd = self.programs / "ferryd"
        for user in users:
            add = [ferryd, "user", "add", user, "--password-stdin", *common]
            subprocess.run(add, input=PASSWORD + "\n", text=True, check=True, stdout=subprocess.DEVNULL)
        serve = [ferryd, "serve", "--listen", "127.0.0.1:0", *common]
        log = case.enter_context(open(case.folder / "ferryd.log", "w+"))
        self.process = subprocess.Popen(serve, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
        case.callback(self.stop)
        for line in self.process.stdout:
            if line.startswith("listening on "):
                self.port = int(line.split()[2].rpartition(":")[2])
                break
        else:
            log.seek(0)
            sys.exit(f"ferryd ended: {log.read()}")

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def at(self, path, port=None, user="bench"):
        """A remote path; `port` is that of a relay."""
        return f"{user}@127.0.0.1:{port or self.port}:{path}"

    def ferry(self, *words):
        """The command line of a client."""
        return [self.programs / "ferry", *words, "--quiet", "--accept-new", "--password-file", self.password]

    def home(self, user="bench"):
        """The folder of a user's files."""
        return self.data / "users" / user / "home"

    def processor_seconds(self):
        return clients.processor_seconds(self.process.pid)


class Door:
    """Starts a server for each connection, with the connection as its standard input, as inetd does.

    So no peer needs a fixed port, and the processor time of each is known exactly when it has ended. A listing of an
    rsync daemon takes as long as with a daemon that listens itself.
    """

    def __init__(self, case, command):
        self.command = [str(word) for word in command]
        self.log = case.enter_context(open(case.folder / "peers.log", "ab"))
        self.listener = case.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.port = self.listener.getsockname()[1]
        self.running, self.spent = set(), 0.0
        self.changed = threading.Condition()
        case.callback(self.stop)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:  # closed at the end
                return
            with connection, self.changed:
                server = subprocess.Popen(self.command, stdin=connection, stdout=connection, stderr=self.log)
                self.running.add(server)
            threading.Thread(target=self.wait, args=(server,), daemon=True).start()

    def wait(self, server):
        _, status, usage = os.wait4(server.pid, 0)
        with self.changed:
            server.returncode = os.waitstatus_to_exitcode(status)
            self.spent += usage.ru_utime + usage.ru_stime
            self.running.discard(server)
            self.changed.notify_all()

    def processor_seconds(self):
        """Processor time of all connections so far. Waits for them to end."""
        with self.changed:
            if not self.changed.wait_for(lambda: not self.running, 60):
                sys.exit(f"{self.command[0]} does not end after its client")
            return self.spent

    def stop(self):
        with self.changed:
            for server in self.running:
                server.terminate()


def rsyncd(case):
    """An rsync daemon without encryption; its module `m` is the folder of the benchmark."""
    config = case.folder / "rsyncd.conf"
    lines = ["use chroot = no", "reverse lookup = no", f"log file = {case.folder}/rsyncd.log", "[m]"]
    lines += [f"path = {case.folder}", "read only = no"]
    # It would give up its rights otherwise.
    lines += ["uid = 0", "gid = 0"] if os.geteuid() == 0 else []
    config.write_text("\n".join(lines) + "\n")
    return Door(case, [case.need("rsync"), "--daemon", f"--config={config}"])


def vsftpd(case):
    """vsftpd for FTP and FTPS, as the person who runs it; its root is the folder of the benchmark."""
    key, certificate, config = (case.folder / name for name in ("ftp-key.pem", "ftp-cert.pem", "vsftpd.conf"))
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    subprocess.run([*make.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    allowed = "anonymous_enable no_anon_password write_enable anon_upload_enable anon_other_write_enable"
    lines = [f"{name}=YES" for name in f"{allowed} run_as_launching_user allow_writeable_chroot".split()]
    lines += ["listen=NO", "anon_world_readable_only=NO", "seccomp_sandbox=NO"]
    lines += ["ssl_enable=YES", "allow_anon_ssl=YES", "require_ssl_reuse=NO", "ssl_ciphers=HIGH"]
    lines += [f"ftp_username={getpass.getuser()}", f"anon_root={case.folder}"]
    lines += [f"rsa_cert_file={certificate}", f"rsa_private_key_file={key}"]
    config.write_text("\n".join(lines) + "\n")
    return Door(case, [case.need("vsftpd"), config])


def sshd(case):
    """OpenSSH's server, for the person who runs the benchmark. Returns the door, and the flags of its clients."""
    host, key, config = (case.folder / name for name in ("ssh-host", "ssh-key", "sshd.conf"))
    for file in (host, key):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True)
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)  # as its service file does
    lines = [f"HostKey {host}", f"AuthorizedKeysFile {key}.pub", f"Ciphers {CIPHER}", "Subsystem sftp internal-sftp"]
    lines += ["StrictModes no", "UsePAM no", "PermitRootLogin yes", "PidFile none", "UseDNS no"]
    config.write_text("\n".join(lines) + "\n")
    flags = ["-q", "-F", "/dev/null", "-i", key, "-c", CIPHER]
    for option in ("IdentitiesOnly=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"):
        flags += ["-o", option]
    return Door(case, [case.need("sshd"), "-i", "-e", "-f", config]), flags
