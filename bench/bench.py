"""What the benchmarks share: settings, a temporary folder, and reports."""

import contextlib
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import clients

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
REPOSITORY = Path(__file__).resolve().parent.parent


def setting(name, default):
    """A number from the environment; `512MiB` and the like are bytes."""
    text = os.environ.get(name, str(default))
    for suffix, factor in (("KiB", KIB), ("MiB", MIB), ("GiB", GIB)):
        if text.endswith(suffix):
            return int(float(text.removesuffix(suffix)) * factor)
    return type(default)(text)


def random_file(path, size, seed=1):
    """Fills a file with bytes that cannot be compressed, the same ones for the same seed."""
    source = random.Random(seed)
    with open(path, "wb") as file:
        for at in range(0, size, MIB):
            file.write(source.randbytes(min(MIB, size - at)))


class Bench(contextlib.ExitStack):
    """A benchmark: its temporary folder, which is removed at the end, and its report."""

    def __init__(self, case):
        super().__init__()
        self.case = case
        self.runs = setting("RUNS", 5)
        self.programs = Path(os.environ.get("BIN", REPOSITORY / "target/release")).resolve()
        ferry = self.programs / "ferry"
        if not ferry.exists():
            sys.exit(f"no {ferry}: build it with `cargo build --release`, or set BIN to its folder")
        # Neither the sites nor the defaults of the person who runs the benchmark may matter.
        for name in [name for name in os.environ if name.startswith("FERRY_")]:
            del os.environ[name]
        version = subprocess.run([ferry, "--version"], check=True, capture_output=True, text=True).stdout.strip()
        self.folder = Path(tempfile.mkdtemp(prefix="ferry-bench-", dir=os.environ.get("TMPDIR", "/dev/shm")))
        self.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.callback(clients.end_all)
        os.environ["FERRY_HOME"] = str(self.folder / "client")
        # Otherwise SIGTERM would leave the servers and the folder behind.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        print(f"== {case}: {version}", flush=True)

    def has(self, program):
        """The path of a peer; a missing one is named, and left out."""
        found = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
        if not found:
            print(f"  not installed, left out: {program}")
        return found

    def need(self, program):
        """The path of a program without which there is nothing to measure."""
        return self.has(program) or sys.exit(f"{self.case} needs {program}")

    def report(self, work, values, unit="s", more=None):
        """Prints the medians of `values` (peer to numbers, ferry first) and appends them to the file in RESULTS."""
        medians = {peer: statistics.median(numbers) for peer, numbers in values.items() if numbers}
        base = next(iter(medians.values()))
        count = max(len(numbers) for numbers in values.values())
        print(f"{work}: median of {count}, ratio = peer / ferry")
        for peer, median in medians.items():
            ratio = median / base if base else 0.0
            number = f"{median:12,.0f}" if unit == "bytes" else f"{median:12.3f}"
            tail = f"   {more[peer]}" if more and peer in more else ""
            print(f"  {peer:28} {number} {unit}   ratio {ratio:7.2f}{tail}", flush=True)
            self.record(work=work, unit=unit, peer=peer, value=median, ratio=ratio)

    def record(self, **fields):
        """Appends one JSON line to the file in RESULTS, if it is set."""
        if path := os.environ.get("RESULTS"):
            with open(path, "a") as file:
                file.write(json.dumps({"case": self.case, **fields}) + "\n")
