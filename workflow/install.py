"""Install a lock file's packages, and tell on a terminal how far it has come: ``python workflow/install.py LOCK``.

pip tells of each of its hundreds of packages in lines, and with --quiet of nothing for minutes. Its bars it draws on
a terminal alone, so it is given one of its own, whose latest line is shown. Runs in an environment that holds nothing
yet, so it needs only what comes with Python.
"""

import codecs
import os
import pty
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

CONTROLS = re.compile(r"\033\[[0-9;?]*[A-Za-z]")
TAIL = re.compile(r" \(from .*|-(cp|py)\d.*")  # by what a package is asked for; what its wheel is for
STEPS = ("Collecting", "Downloading", "Using cached")


def told(lines: Iterable[str], wanted: int) -> Iterator[str]:
    """Yield what to show at each of pip's lines: how many packages it has come to, of those ``wanted`` that this
    system takes, and which; at a line of a bar, the bar.
    """
    counts, head = Counter[bool](), ""  # collected, and got
    for line in lines:
        step = next((step for step in STEPS if line.startswith(step)), None)
        if line.startswith("Ignoring"):
            wanted -= 1
        elif step is not None and ".metadata" not in line:
            counts[step == "Collecting"] += 1
            head = f"[{counts[step == 'Collecting']}/{wanted}] {TAIL.sub('', line)}"
        elif line.startswith("Installing"):
            head = f"Installing {wanted} packages"
        yield f"{head} {line}" if "━" in line else head


def lines_of(terminal: int) -> Iterator[str]:
    """Yield the lines, and the states of bars, that a process writes to its terminal, until it ends."""
    rest, decoder = "", codecs.getincrementaldecoder("utf-8")("replace")
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:  # how Linux says that nobody writes any more
            data = b""
        if not data:
            return
        *whole, rest = re.split(r"[\r\n]+", rest + decoder.decode(data))
        yield from (CONTROLS.sub("", line).strip() for line in whole)


def install(lock: Path) -> int:
    """Install the packages, and return pip's exit status."""
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--require-hashes", "-r", str(lock)]
    wanted = len(re.findall(r"^\S+==", lock.read_text(encoding="utf-8"), re.MULTILINE))
    print(f"installing what {lock} names, {wanted} packages, some gigabytes: this takes minutes", flush=True)
    if not sys.stdout.isatty():
        return subprocess.call([*pip, "--quiet"])
    here, there = pty.openpty()
    with subprocess.Popen(pip, stdout=there) as process:
        os.close(there)
        for text in told(lines_of(here), wanted):
            print(f"\033[K{text[: shutil.get_terminal_size().columns - 1]}", end="\r", flush=True)
    os.close(here)
    print("\033[K", end="", flush=True)
    return process.returncode


if __name__ == "__main__":
    try:
        sys.exit(install(Path(sys.argv[1])))
    except KeyboardInterrupt:
        sys.exit("\nstopped; the same command begins again, with what pip has kept")
