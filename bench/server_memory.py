#!/usr/bin/env python3
"""The memory of ferryd during and after 24 busy connections: its peak, and what it keeps 5, 30 and 60 s later."""

import re
import threading
import time
from pathlib import Path

import bench
import clients
import servers

AIM_MIB = 64
AIM_BYTES_PER_ACCOUNT = 4096
REPORTED_SECONDS = (5, 30, 60)


def resident(pid):
    """The resident memory of a process in MiB: all of it, and the part that is no file such as the program itself."""
    text = Path(f"/proc/{pid}/status").read_text()
    return tuple(int(re.search(rf"^{name}:\s*(\d+) kB", text, re.MULTILINE)[1]) / 1024 for name in ("VmRSS", "RssAnon"))


class Load:
    """Connections that put, get, hash and list until they are told to stop; one account for each of them."""

    def __init__(self, case, ferryd, source, count):
        self.case, self.ferryd, self.source = case, ferryd, source
        self.ended, self.rounds, self.failure = threading.Event(), 0, None
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.work, args=(n,)) for n in range(count)]

    def work(self, number):
        there = self.ferryd.at("file", user=f"user{number}")
        got = self.case.folder / f"got{number}"
        verbs = [("put", self.source, there), ("get", there, got), ("hash", there), ("ls", "-l", there), ("rm", there)]
        try:
            while not self.ended.is_set():
                for words in verbs:
                    clients.run(self.ferryd.ferry(*words))
                got.unlink()
                with self.lock:
                    self.rounds += 1
        except SystemExit as failed:  # a client that failed; `main` reports it
            self.failure = failed
            self.ended.set()


def main():
    connections, seconds = bench.setting("CONNECTIONS", 24), bench.setting("SECONDS", 60)
    size, after = bench.setting("SIZE", 64 * bench.MIB), bench.setting("AFTER", max(REPORTED_SECONDS))
    with bench.Bench("server_memory") as case:
        source = case.folder / "source"
        bench.random_file(source, size)
        ferryd = servers.Ferryd(case, [f"user{n}" for n in range(connections)])
        pid = ferryd.process.pid
        idle, peak = resident(pid)[0], 0.0
        load = Load(case, ferryd, source, connections)
        for thread in load.threads:
            thread.start()
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end and not load.ended.wait(1):
                peak = max(peak, resident(pid)[0])
        finally:
            load.ended.set()
            for thread in load.threads:
                thread.join()
        if load.failure:
            raise load.failure
        print(f"{connections} connections, files of {size / bench.MIB:,.0f} MiB, {load.rounds} rounds")
        print(f"  before                {idle:7.1f} MiB")
        # Clients that were in the middle of a round went on after the time was up.
        print(f"  peak                  {max(peak, resident(pid)[0]):7.1f} MiB")
        quiet_since, samples = time.monotonic(), []
        for second in range(1, after + 1):
            time.sleep(max(0.0, quiet_since + second - time.monotonic()))
            samples.append(resident(pid))
            if second in REPORTED_SECONDS or second == after:
                total, anonymous = samples[-1]
                print(f"  {second:3} s after the end    {total:7.1f} MiB, {anonymous:.1f} of it not files", flush=True)
                case.record(work=f"{second} s after the end", unit="MiB", peer="ferry", value=total)
        aim = AIM_MIB + connections * AIM_BYTES_PER_ACCOUNT / bench.MIB
        print(f"  aim: {aim:.1f} MiB; lowest {min(total for total, _ in samples):.1f} MiB")


if __name__ == "__main__":
    main()
