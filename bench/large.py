#!/usr/bin/env python3
"""One large file up and down, through ferry and through its peers: time, processor time, and the busiest thread."""

import os
import statistics
import time
from pathlib import Path

import bench
import clients
import servers

SAMPLE_SECONDS = 0.05


def threads(pid):
    """The processor ticks of each thread of a process, with its name."""
    found = {}
    for task in Path(f"/proc/{pid}/task").glob("*/stat"):
        try:
            head, _, tail = task.read_text().rpartition(")")
        except OSError:  # the thread has ended
            continue
        fields = tail.split()
        found[pid, task.parent.name] = (head.partition("(")[2], int(fields[11]) + int(fields[12]))
    return found


def busiest_thread(command, server):
    """The largest share of the processor time of both programs that one thread had, and the name of that thread.

    Sampled, so what a thread does in its last 50 ms is missing.
    """
    before, total_before = threads(server.process.pid), server.processor_seconds()
    client, last = clients.start(command), {}
    while os.waitid(os.P_PID, client.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        last |= threads(client.pid) | threads(server.process.pid)
        time.sleep(SAMPLE_SECONDS)
    last |= threads(server.process.pid)
    total = clients.finish(client) + server.processor_seconds() - total_before
    ticks = {key: (used - before.get(key, ("", 0))[1], name, key[0]) for key, (name, used) in last.items()}
    most, name, pid = max(ticks.values())
    program = "ferry" if pid == client.pid else "ferryd"
    return most / clients.TICKS_PER_SECOND / total, f"{program} ({name})"


def main():
    size = bench.setting("SIZE", bench.GIB)
    with bench.Bench("large") as case:
        source, got, peers_copy = (case.folder / name for name in ("source", "got", "copy"))
        bench.random_file(source, size)
        ferryd = servers.Ferryd(case)

        def fresh(command, server, *written):
            """A run that has nothing to replace or to compare with."""
            for path in written:
                path.unlink(missing_ok=True)
            outcome = clients.run(command, server)
            for path in written:
                assert path.stat().st_size == size, path
            return outcome

        def ferry_up():
            if (ferryd.home() / "file").exists():
                clients.run(ferryd.ferry("rm", ferryd.at("file")))
            return clients.run(ferryd.ferry("put", source, ferryd.at("file")), ferryd)

        def ferry_down():
            return fresh(ferryd.ferry("get", ferryd.at("file"), got), ferryd, got)

        up, down = {"ferry": ferry_up}, {"ferry": ferry_down}

        def peer(name, server, put, get):
            up[name] = lambda: fresh(put, server, peers_copy)
            down[name] = lambda: fresh(get, server, got)

        if case.has("vsftpd") and case.has("curl"):
            ftp = servers.vsftpd(case)
            url = f"ftp://127.0.0.1:{ftp.port}/copy"
            for name, curl in (("FTP", ["curl", "-sS"]), ("FTPS", ["curl", "-sSk", "--ssl-reqd"])):
                peer(name, ftp, [*curl, "-T", source, url], [*curl, "-o", got, url])
        if case.has("sshd") and case.has("sftp"):
            ssh, flags = servers.sshd(case)
            put, get = case.folder / "put.batch", case.folder / "get.batch"
            put.write_text(f"put {source} {peers_copy}\n")
            get.write_text(f"get {peers_copy} {got}\n")
            sftp = ["sftp", *flags, "-P", ssh.port]
            peer("sftp", ssh, [*sftp, "-b", put, "127.0.0.1"], [*sftp, "-b", get, "127.0.0.1"])
        if case.has("rsync"):
            rsync = servers.rsyncd(case)
            url = f"rsync://127.0.0.1:{rsync.port}/m/copy"
            peer("rsync daemon", rsync, ["rsync", "-W", source, url], ["rsync", "-W", url, got])

        for way, steps in (("up", up), ("down", down)):
            runs = clients.in_turns(case.runs, steps)
            per_gib = {}
            for name, outcomes in runs.items():
                client, server = (
                    statistics.median(values) * bench.GIB / size
                    for values in ([o.client_cpu for o in outcomes], [o.server_cpu for o in outcomes])
                )
                per_gib[name] = f"processor s/GiB {client + server:5.2f} = client {client:.2f} + server {server:.2f}"
                case.record(work=f"processor of one file {way}", unit="s/GiB", peer=name, value=client + server)
            work = f"one file of {size / bench.MIB:,.0f} MiB {way}"
            case.report(work, {name: [o.seconds for o in outcomes] for name, outcomes in runs.items()}, more=per_gib)
        # Runs of their own, because the sampling costs time.
        ferry_up()
        clients.run(ferryd.ferry("rm", ferryd.at("file")))
        share, thread = busiest_thread(ferryd.ferry("put", source, ferryd.at("file")), ferryd)
        print(f"busiest thread up: {share:.0%}, {thread}")
        got.unlink()
        share, thread = busiest_thread(ferryd.ferry("get", ferryd.at("file"), got), ferryd)
        print(f"busiest thread down: {share:.0%}, {thread}")
        clients.run(["cmp", source, got])


if __name__ == "__main__":
    main()
