"""What a person sees while the packages are installed: a line that moves on a terminal, one line elsewhere."""

import os
import pty
import subprocess
import sys

import install

from dbb.store import project_root

PIP = """\
Ignoring colorama: markers 'sys_platform == "win32"' don't match your environment
Collecting numpy==2.5.0 (from -r requirements.lock (line 9))
  Downloading numpy-2.5.0-cp311-cp311-manylinux_2_27_x86_64.whl.metadata (62 kB)
Collecting torch==2.15.0 (from -r requirements.lock (line 99))
Downloading numpy-2.5.0-cp311-cp311-manylinux_2_27_x86_64.whl (16.9 MB)
Using cached torch-2.15.0-cp311-none-any.whl (900 MB)
   ━━━━━━━━━━ 300.1/900.0 MB 9.9 MB/s eta 0:01:01
Installing collected packages: numpy, torch
Successfully installed numpy-2.5.0 torch-2.15.0"""


def test_a_line_tells_which_package_of_how_many_and_how_far_it_has_come():
    shown = list(install.told((line.strip() for line in PIP.splitlines()), wanted=3))
    assert shown == [
        "",
        "[1/2] Collecting numpy==2.5.0",
        "[1/2] Collecting numpy==2.5.0",
        "[2/2] Collecting torch==2.15.0",
        "[1/2] Downloading numpy-2.5.0",
        "[2/2] Using cached torch-2.15.0",
        "[2/2] Using cached torch-2.15.0 ━━━━━━━━━━ 300.1/900.0 MB 9.9 MB/s eta 0:01:01",
        "Installing 2 packages",
        "Installing 2 packages",
    ]


def test_states_of_a_bar_are_lines_without_their_colours():
    here, there = pty.openpty()
    os.write(there, "one\n\033[2K   \033[32m━━\033[0m 1/2\r\033[2K   ━━━━ 2/2\nlast\n".encode())
    os.close(there)
    assert [line for line in install.lines_of(here) if line] == ["one", "━━ 1/2", "━━━━ 2/2", "last"]
    os.close(here)


def test_what_fails_ends_with_pips_words_and_status(tmp_path):
    lock = tmp_path / "a.lock"
    lock.write_text("no-such==1.0 \\\n    --hash=sha256:00\n")
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": str(tmp_path)}
    script = project_root() / "workflow/install.py"
    run = subprocess.run([sys.executable, script, lock], capture_output=True, text=True, env=environment)
    assert run.returncode == 1 and "No matching distribution found for no-such==1.0" in run.stderr
    assert run.stdout.splitlines() == [f"installing what {lock} names, 1 packages, some gigabytes: this takes minutes"]
