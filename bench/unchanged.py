#!/usr/bin/env python3
"""A tree of small files that both sides have, and then with 1 % of the files changed: ferry beside `rsync -a`."""

import random
import time

import bench
import clients
import servers

FILES_IN_FOLDER = 100
LARGEST = 8192
# A file that was changed less than 2 s before it is read could change again without a new time, so its digest is not
# remembered.
SETTLE_SECONDS = 3


def files_below(tree, count):
    return [tree / f"{n // FILES_IN_FOLDER:05}" / f"{n % FILES_IN_FOLDER:03}" for n in range(count)]


def make(files):
    source = random.Random(1)
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(source.randbytes(source.randint(1, LARGEST)))


def change(files, turn):
    """Gives one file of a hundred other content of the same size, other ones in each turn."""
    source = random.Random(turn + 2)
    for file in files[turn % 100 :: 100]:
        file.write_bytes(source.randbytes(file.stat().st_size))


def main():
    count = bench.setting("FILES", 100_000)
    with bench.Bench("unchanged") as case:
        source, got, got_by_peer = (case.folder / name for name in ("source", "got", "got-by-rsync"))
        files = files_below(source, count)
        make(files)
        ferryd, rsyncd = servers.Ferryd(case), servers.rsyncd(case)
        url = f"rsync://127.0.0.1:{rsyncd.port}/m/copy/"

        def put(rule="different"):
            return clients.run(ferryd.ferry("put", f"--on-conflict={rule}", source, ferryd.at("tree")), ferryd)

        def get(rule="different"):
            return clients.run(ferryd.ferry("get", f"--on-conflict={rule}", ferryd.at("tree"), got), ferryd)

        def put_by_peer():
            return clients.run(["rsync", "-a", f"{source}/", url], rsyncd)

        def get_by_peer():
            return clients.run(["rsync", "-a", url, f"{got_by_peer}/"], rsyncd)

        def report(work, runs):
            cpu = {
                name: "processor s, client + server: "
                + ", ".join(f"{outcome.client_cpu:.2f} + {outcome.server_cpu:.2f}" for outcome in outcomes)
                for name, outcomes in runs.items()
            }
            case.report(work, {name: [o.seconds for o in outcomes] for name, outcomes in runs.items()}, more=cpu)

        ways = {"up": (put, put_by_peer), "down": (get, get_by_peer)}
        for way, (by_ferry, by_peer) in ways.items():
            report(f"{count:,} files {way}, first copy", {"ferry": [by_ferry()], "rsync -a": [by_peer()]})
        for way, (by_ferry, by_peer) in ways.items():
            time.sleep(SETTLE_SECONDS)
            # It may have to read the files to remember their digests.
            first = by_ferry()
            by_date = lambda: by_ferry("changed")  # the rule of rsync
            steps = {"ferry": by_ferry, "rsync -a": by_peer, "ferry, by size and date": by_date}
            runs = clients.in_turns(case.runs, steps)
            report(f"{count:,} files {way} again, nothing changed", runs)
            print(f"  {'the first such run of ferry':28} {first.seconds:12.3f} s")
        changed = {way: {"ferry": [], "rsync -a": []} for way in ways}
        for turn in range(case.runs):
            change(files, turn)
            for way, (by_ferry, by_peer) in ways.items():
                time.sleep(SETTLE_SECONDS)
                for name, outcomes in clients.in_turns(1, {"ferry": by_ferry, "rsync -a": by_peer}).items():
                    changed[way][name] += outcomes
        for way, runs in changed.items():
            report(f"{count:,} files {way}, 1 % changed", runs)
        for copy in (got, got_by_peer, ferryd.home() / "tree"):
            clients.run(["diff", "-rq", source, copy])


if __name__ == "__main__":
    main()
