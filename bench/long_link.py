#!/usr/bin/env python3
"""ferry over links with a long delay or a low rate, imitated by a relay (`relay.py` says what such a link lacks).

RATE is in bits a second; CASES names some of: names check tree text.
"""

import os
import shutil

import bench
import clients
import relay
import servers

NAMES = 100


class Links:
    """A relay to each server, with the same delay and rate."""

    def __init__(self, case, ferryd, rsyncd, round_trip, rate):
        print(f"-- {round_trip * 1000:.0f} ms round trip, {rate / 1e6:g} Mbit/s")
        self.case, self.ferryd, self.rsyncd, self.round_trip = case, ferryd, rsyncd, round_trip
        self.far = relay.Relay(case, ferryd.port, round_trip / 2, rate / 8)
        self.far_peer = relay.Relay(case, rsyncd.port, round_trip / 2, rate / 8)

    def there(self, path):
        return self.ferryd.at(path, self.far.port)

    def ferry(self, *words):
        return clients.run(self.ferryd.ferry(*words), self.ferryd, self.far)

    def rsync(self, *words):
        return clients.run(["rsync", *words], self.rsyncd, self.far_peer)

    def module(self, path):
        return f"rsync://127.0.0.1:{self.far_peer.port}/m/{path}"

    def say(self, work, steps):
        """The steps in turns: median time, round trips of the fastest run, and bytes."""
        runs = clients.in_turns(self.case.runs, steps)
        times = {name: [o.seconds for o in outcomes] for name, outcomes in runs.items()}
        more = {
            name: f"{min(times[name]) / self.round_trip:6.1f} round trips, {max(o.bytes for o in outcomes):,} bytes"
            for name, outcomes in runs.items()
        }
        self.case.report(work, times, more=more)


def names(links, material):
    """Verbs on 100 names each: the shortest time divided by the round trip is the number of round trips."""
    here = links.case.folder / "names"
    remote = [links.there(f"small/f{n:03}") for n in range(NAMES)]
    spare = [links.there(f"spare/f{n:03}") for n in range(NAMES)]

    def directly(verb, *paths):
        """Prepares a run; not over the link."""
        clients.run(links.ferryd.ferry(verb, *(links.ferryd.at(path) for path in paths)))

    def fresh(*words):
        """A run that finds nothing where it writes, and files to use up in the folder `spare`."""
        clients.run(links.ferryd.ferry("rm", "-r", links.ferryd.at("to"), links.ferryd.at("spare")))
        directly("mkdir", "to")
        directly("cp", "small", "spare")
        shutil.rmtree(here, ignore_errors=True)
        here.mkdir()
        return links.ferry(*words)

    clients.run(links.ferryd.ferry("put", material, links.ferryd.at("small")))
    directly("mkdir", "to", "spare")
    words = {
        "stat": ["stat", *remote],
        "cat": ["cat", *remote],
        "touch": ["touch", *remote],
        "mkdir": ["mkdir", *(links.there(f"to/d{n}") for n in range(NAMES))],
        "cp": ["cp", *remote, links.there("to/")],
        "get": ["get", *remote, f"{here}/"],
        "mv": ["mv", *spare, links.there("to/")],
        "rm": ["rm", *spare],
    }
    links.say("ls of one folder", {"ferry": lambda: fresh("ls", links.there("to"))})
    for verb, line in words.items():
        links.say(f"{verb} of {NAMES} names", {"ferry": lambda line=line: fresh(*line)})


def check(links, material):
    clients.run(links.ferryd.ferry("put", material, links.ferryd.at("same")))
    there = links.there("same")
    steps = {
        "ferry put again": lambda: links.ferry("put", "--on-conflict=different", material, there),
        "ferry check": lambda: links.ferry("check", material, there),
        "ferry get again": lambda: links.ferry("get", "--on-conflict=different", there, material),
    }
    links.say("the same tree at both ends", steps)


def copies(links, source, work, flags):
    """A tree or a file to the server and back, where it was not before, beside rsync with `flags`."""
    folder, peer, name = links.case.folder, f"rsync {flags}", source.name

    def up():
        if (links.ferryd.home() / "new" / name).exists():
            clients.run(links.ferryd.ferry("rm", "-r", links.ferryd.at(f"new/{name}")))
        return links.ferry("put", source, links.there(f"new/{name}"))

    def without(path, run):
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        return run()

    theirs, got = folder / "theirs", folder / "got"
    up_by_peer = lambda: without(theirs, lambda: links.rsync(flags, source, links.module("theirs/")))
    down = lambda: without(got, lambda: links.ferry("get", links.there(f"new/{name}"), f"{got}/"))
    down_by_peer = lambda: without(got, lambda: links.rsync(flags, links.module(f"theirs/{name}"), f"{got}/"))
    links.say(f"{work} up", {"ferry": up, peer: up_by_peer})
    links.say(f"{work} down", {"ferry": down, peer: down_by_peer})


def main():
    chosen = os.environ.get("CASES", "names check tree text").split()
    count, rate = max(NAMES, bench.setting("FILES", 1000)), bench.setting("RATE", 100_000_000)
    with bench.Bench("long_link") as case:
        small, text = case.folder / "small", case.folder / "text"
        small.mkdir()
        for n in range(count):
            bench.random_file(small / f"f{n:03}", 10 << 10, n)
        sources = sorted(path for path in bench.REPOSITORY.glob("*/**/*.rs") if "target" not in path.parts)
        # Text that everybody has who runs this.
        text.write_bytes(b"".join(path.read_bytes() for path in sources))
        ferryd, rsyncd = servers.Ferryd(case), servers.rsyncd(case)
        clients.run(ferryd.ferry("mkdir", ferryd.at("new")))
        if "names" in chosen:
            names(Links(case, ferryd, rsyncd, 0.2, rate), small)
        if "check" in chosen:
            check(Links(case, ferryd, rsyncd, 0.2, rate), small)
        if "tree" in chosen:
            copies(Links(case, ferryd, rsyncd, 0.05, rate), small, f"{count:,} files of 10 KiB at 50 ms", "-a")
        if "text" in chosen:
            slow = bench.setting("TEXT_RATE", 5_000_000)
            work = f"{text.stat().st_size / 1e6:.1f} MB of text at {slow / 1e6:g} Mbit/s"
            copies(Links(case, ferryd, rsyncd, 0.05, slow), text, work, "-az")


if __name__ == "__main__":
    main()
