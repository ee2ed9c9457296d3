#!/usr/bin/env python3
"""A large file that changed a little: time and bytes on the wire of ferry, and of rsync with its deltas, both ways.

Needs space for four times SIZE: the file, the copy of each server, and the one that a server is writing.
"""

import os
import random

import bench
import clients
import relay
import servers

CHANGED = 4 << 10
INSERTED = 100
PIECE = 8 << 20


def change(path, places, seed):
    """Overwrites 4 KiB in each of `places` equal parts of a file, somewhere in the part."""
    source = random.Random(seed)
    part = path.stat().st_size // places
    with open(path, "r+b") as file:
        for n in range(places):
            file.seek(n * part + source.randrange(max(1, part - CHANGED)))
            file.write(source.randbytes(min(CHANGED, part)))


def insert(path, seed):
    """Inserts 100 bytes at the start, in place: there may be no space for another copy."""
    descriptor = os.open(path, os.O_RDWR)
    end = os.fstat(descriptor).st_size
    while end > 0:
        begin = max(0, end - PIECE)
        os.pwrite(descriptor, os.pread(descriptor, end - begin, begin), begin + INSERTED)
        end = begin
    os.pwrite(descriptor, random.Random(seed).randbytes(INSERTED), 0)
    os.close(descriptor)


def cut(path):
    """Removes the first 100 bytes, in place, so that the other copy has 100 bytes more."""
    descriptor = os.open(path, os.O_RDWR)
    at = INSERTED
    while piece := os.pread(descriptor, PIECE, at):
        os.pwrite(descriptor, piece, at - INSERTED)
        at += len(piece)
    os.ftruncate(descriptor, at - INSERTED)
    os.close(descriptor)


def main():
    size, places = bench.setting("SIZE", 4 * bench.GIB), bench.setting("PLACES", 1024)
    with bench.Bench("changes") as case:
        file, peers_copy = case.folder / "file", case.folder / "copy"
        bench.random_file(file, size)
        ferryd, rsyncd = servers.Ferryd(case), servers.rsyncd(case)
        to_ferryd, to_rsyncd = relay.Relay(case, ferryd.port), relay.Relay(case, rsyncd.port)
        there, module = ferryd.at("file", to_ferryd.port), f"rsync://127.0.0.1:{to_rsyncd.port}/m"
        # Without compression, which random content does not allow. Size and date are ignored: an insertion keeps one of
        # them, and both peers are to compare the content.
        rsync = ["rsync", "--no-whole-file", "--ignore-times"]
        home = ferryd.home() / "file"
        served = home.relative_to(case.folder)

        def by_ferry(verb, *paths):
            return clients.run(ferryd.ferry(verb, "--on-conflict=replace", *paths), ferryd, to_ferryd)

        def by_rsync(*paths):
            return clients.run([*rsync, *paths], rsyncd, to_rsyncd)

        def report(work, runs):
            case.report(f"{work}, time", {name: [o.seconds for o in outcomes] for name, outcomes in runs.items()})
            counted = {name: [o.bytes for o in outcomes] for name, outcomes in runs.items()}
            case.report(f"{work}, wire", counted, unit="bytes")

        by_ferry("put", file, there)
        by_rsync(file, f"{module}/copy")
        changes = {
            f"4 KiB changed in {places:,} places": lambda seed: change(file, places, seed),
            f"{INSERTED} bytes inserted": lambda seed: insert(file, seed),
        }
        label = f"{size / bench.MIB:,.0f} MiB"
        for work, alter in changes.items():
            runs = {"ferry": [], "rsync": []}
            for turn in range(case.runs):
                # Both servers have the file as it was in the turn before.
                alter(turn + 2)
                steps = {
                    "ferry": lambda: by_ferry("put", file, there),
                    "rsync": lambda: by_rsync(file, f"{module}/copy"),
                }
                for name, outcomes in clients.in_turns(1, steps).items():
                    runs[name] += outcomes
            report(f"{label} up, {work}", runs)
        clients.run(["cmp", file, home])
        clients.run(["cmp", file, peers_copy])
        peers_copy.unlink()

        changes[f"{INSERTED} bytes inserted"] = lambda seed: cut(file)
        for work, alter in changes.items():

            def down(command, alter=alter):
                # Both peers find the same old copy here, and the same new one on their server.
                alter(1)
                return command()

            steps = {
                "ferry": lambda: down(lambda: by_ferry("get", there, file)),
                "rsync": lambda: down(lambda: by_rsync(f"{module}/{served}", file)),
            }
            report(f"{label} down, {work}", clients.in_turns(case.runs, steps))
            clients.run(["cmp", file, home])


if __name__ == "__main__":
    main()
