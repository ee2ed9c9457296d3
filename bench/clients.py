"""Runs clients to their end, and measures their time, their processor time, and that of the server."""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

running = set()
"""The clients that are running."""


@dataclass
class Run:
    """One run of a client."""

    seconds: float
    client_cpu: float
    """Processor seconds of the client and the children that it waited for."""
    server_cpu: float = 0.0
    bytes: int = 0
    """Bytes on the wire in both directions, where a relay counts them."""


def processor_seconds(pid):
    """Processor time of a process so far, including its threads that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def start(command):
    """Starts a client; its output goes to a file, so that it never waits for a reader."""
    output = tempfile.TemporaryFile()
    words = [str(word) for word in command]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    process.output = output
    running.add(process)
    return process


def end_all():
    """Ends the clients that still run when a benchmark is interrupted."""
    for process in list(running):
        process.terminate()
        process.wait()


def finish(process):
    """Waits for a client and returns its processor seconds; a failure ends the benchmark with its last lines."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    running.discard(process)
    if process.returncode:
        process.output.seek(0)
        last = process.output.read().decode(errors="replace")[-1000:]
        sys.exit(f"exit {process.returncode} of {' '.join(process.args)[:300]}\n{last}")
    process.output.close()
    return usage.ru_utime + usage.ru_stime


def run(command, server=None, relay=None):
    """Runs a client to its end. `server` reports its processor time, `relay` the bytes that it carried."""
    server_before = server.processor_seconds() if server else 0.0
    bytes_before = relay.bytes() if relay else 0
    begun = time.perf_counter()
    process = start(command)
    client_cpu = finish(process)
    seconds = time.perf_counter() - begun
    server_cpu = server.processor_seconds() - server_before if server else 0.0
    return Run(seconds, client_cpu, server_cpu, relay.bytes() - bytes_before if relay else 0)


def in_turns(count, steps):
    """Calls each of `steps` (name to function) `count` times. The order rotates, so that nobody is always first."""
    names = list(steps)
    runs = {name: [] for name in names}
    for turn in range(count):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            runs[name].append(steps[name]())
    return runs
