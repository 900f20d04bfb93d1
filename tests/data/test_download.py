"""Downloads are resumed, places are tried in turn, archives cannot write outside, and a dataset stands whole or not."""

import io
import re
import tarfile
import threading
import zipfile
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from data_standins import make_waterbirds

from dbb.benchmarks import waterbirds
from dbb.data import __main__, transfer
from dbb.data.dataset import Place
from dbb.data.download import from_archive, get
from dbb.data.transfer import fetch
from dbb.data.unpack import unpack
from dbb.errors import InputError

BODY = np.random.default_rng(0).bytes(300_000)


class Server(ThreadingHTTPServer):
    """Serves ``files`` (path -> bytes) with ranges. ``breaks``: after how many bytes the next answers break off;
    ``answers``: codes that come before the first right answer.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.breaks, self.answers, self.ranges, self.ranged, self.kind = {}, [], [], [], True, "x/y"

    def url(self, path):
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    """Answers GET for `Server`."""

    def do_GET(self):
        self.server.ranges.append(self.headers.get("Range"))
        if self.server.answers:
            return self.send_error(self.server.answers.pop(0))
        body = self.server.files.get(self.path)
        if body is None:
            return self.send_error(404)
        start = int(re.match(r"bytes=(\d+)-", self.headers.get("Range", "bytes=0-"))[1]) if self.server.ranged else 0
        if start and start >= len(body):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(body)}")
            return self.end_headers()
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Type", self.server.kind)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        stop = start + self.server.breaks.pop(0) if self.server.breaks else len(body)
        self.wfile.write(body[start:stop])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(transfer, "PAUSE_S", 0.0)
    monkeypatch.setattr(transfer, "BLOCK", 1 << 14)
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_download_that_breaks_off_is_resumed(tmp_path, server):
    server.files["/a"] = BODY
    server.breaks = [100_000, 50_000]
    assert fetch(server.url("/a"), tmp_path / "new" / "a").read_bytes() == BODY
    assert server.ranges == [None, "bytes=100000-", "bytes=150000-"]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a"]
    fetch(server.url("/a"), tmp_path / "new" / "a")
    assert len(server.ranges) == 3


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(tmp_path, server, monkeypatch):
    server.files["/a"] = BODY
    server.breaks = [120_000]
    monkeypatch.setattr(transfer, "TRIES", 1)
    with pytest.raises(InputError, match="broke off after 120000 of 300000 bytes"):
        fetch(server.url("/a"), tmp_path / "a")
    assert not (tmp_path / "a").exists()
    assert fetch(server.url("/a"), tmp_path / "a").read_bytes() == BODY
    assert server.ranges == [None, "bytes=120000-"]


def test_a_server_without_ranges_starts_over(tmp_path, server):
    server.files["/a"], server.ranged, server.breaks = BODY, False, [100_000]
    assert fetch(server.url("/a"), tmp_path / "a").read_bytes() == BODY


def test_a_file_that_was_whole_but_not_renamed_is_taken(tmp_path, server, monkeypatch):
    server.files["/a"] = BODY

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(transfer.os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        fetch(server.url("/a"), tmp_path / "a")
    monkeypatch.undo()
    assert fetch(server.url("/a"), tmp_path / "a").read_bytes() == BODY
    assert server.ranges == [None, "bytes=300000-"]


def test_a_file_that_shrank_on_the_server_is_fetched_anew(tmp_path, server, monkeypatch):
    server.files["/a"], server.breaks = BODY, [200_000]
    with monkeypatch.context() as once, pytest.raises(InputError):
        once.setattr(transfer, "TRIES", 1)
        fetch(server.url("/a"), tmp_path / "a")
    server.files["/a"] = BODY[::-1][:90_000]
    assert fetch(server.url("/a"), tmp_path / "a").read_bytes() == BODY[::-1][:90_000]


def test_a_busy_server_is_asked_again_and_one_that_refuses_is_not(tmp_path, server):
    server.files["/a"] = BODY
    server.answers = [503, 429]
    assert fetch(server.url("/a"), tmp_path / "a").read_bytes() == BODY
    server.answers = [403]
    with pytest.raises(InputError, match="answered 403"):
        fetch(server.url("/a"), tmp_path / "b")
    assert len(server.ranges) == 4


def test_a_web_page_is_not_taken_for_the_file(tmp_path, server):
    server.files["/a"], server.kind = b"<html>Quota exceeded</html>", "text/html; charset=utf-8"
    with pytest.raises(InputError, match="web page in place of the file"):
        fetch(server.url("/a"), tmp_path / "a")
    assert not list(tmp_path.iterdir())


def tar_of(folder, tmp_path) -> bytes:
    with tarfile.open(tmp_path / "made.tar.gz", "w:gz") as tar:
        tar.add(folder, folder.name)
    return (tmp_path / "made.tar.gz").read_bytes()


def tar_with(name: str) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as tar:
        member = tarfile.TarInfo(name)
        member.size = 4
        tar.addfile(member, io.BytesIO(b"evil"))
    return written.getvalue()


COUNTS = dict.fromkeys(("train", "val", "test"), (3, 2, 1, 2))


@pytest.fixture
def birds(tmp_path, server, monkeypatch):
    """A server that has a small Waterbirds at /right; ``birds(*paths)`` is the entry with these places, and the one
    that the command line finds.
    """
    server.files["/right"] = tar_of(make_waterbirds(tmp_path / "original"), tmp_path)

    def entry(*paths):
        places = tuple(
            Place(path, partial(from_archive, path if "://" in path else server.url(path))) for path in paths
        )
        bm = waterbirds.BENCHMARK
        bm = replace(bm, data=replace(bm.data, places=places, counts=COUNTS))
        monkeypatch.setattr(__main__, "get_benchmark", lambda name: bm)
        return bm

    return entry


def test_a_dataset_is_downloaded_and_verified_and_not_fetched_twice(tmp_path, server, birds, monkeypatch, capsys):
    birds("/right")
    monkeypatch.setenv("DBB_DATA", str(tmp_path / "sets"))
    assert __main__.main(["get", "waterbirds"]) == 0
    assert "24 pictures" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "sets").iterdir()] == ["waterbirds"]
    assert __main__.main(["get", "waterbirds"]) == 0
    assert len(server.ranges) == 1


def test_the_next_place_is_tried_when_one_is_down_or_damaged(tmp_path, server, birds):
    server.files["/half"] = server.files["/right"][:-200]
    server.files["/other"] = tar_with("something/else.txt")
    bm = birds("http://127.0.0.1:9/down", "/gone", "/half", "/other", "/right")
    get(bm, tmp_path / "sets" / "birds")
    assert len(waterbirds.list_split(tmp_path / "sets" / "birds", "train").paths) == 8
    assert [path.name for path in (tmp_path / "sets").iterdir()] == ["birds"]
    assert len(list((tmp_path / "sets" / "birds").iterdir())) == 1, "something of another place was left in"


def test_a_damaged_archive_is_not_kept_for_the_next_call(tmp_path, server, birds):
    whole = server.files["/right"]
    server.files["/right"] = whole[:-200]
    bm = birds("/right")
    with pytest.raises(InputError, match="truncated or damaged"):
        get(bm, tmp_path / "sets" / "birds")
    server.files["/right"] = whole
    get(bm, tmp_path / "sets" / "birds")
    assert len(waterbirds.list_split(tmp_path / "sets" / "birds", "train").paths) == 8


def test_when_no_place_has_it_one_error_names_the_reasons_and_the_manual_route(tmp_path, server, birds, capsys):
    server.files["/half"] = server.files["/right"][:-200]
    bm = birds("/gone", "/half", "http://127.0.0.1:9/down")
    folder = tmp_path / "sets" / "birds"
    with pytest.raises(InputError) as raised:
        get(bm, folder)
    message = str(raised.value)
    for piece in ("/gone: ", "answered 404", "truncated or damaged", "refused", "by hand", "data/waterbirds/README.md"):
        assert piece in message
    assert "\n" not in message and not folder.exists()
    assert __main__.main(["get", "waterbirds", "--folder", str(folder)]) == 1
    assert "no place has the dataset waterbirds" in capsys.readouterr().err


def test_a_folder_that_holds_something_else_is_not_touched(tmp_path, birds):
    bm = birds("/right")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="not empty"):
        get(bm, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_a_dataset_without_places_says_so(tmp_path, birds):
    with pytest.raises(InputError, match="waterbirds has no place to be downloaded from"):
        get(birds(), tmp_path / "birds")


@pytest.mark.parametrize("name", ["../outside.txt", "/tmp/../../outside.txt", "a/../../outside.txt"])
def test_a_tar_cannot_write_outside(tmp_path, name):
    (tmp_path / "a.tar.gz").write_bytes(tar_with(name))
    with pytest.raises(InputError, match="not safe"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "deep" / "folder")
    assert not list(tmp_path.rglob("outside.txt"))


def test_a_tar_cannot_write_through_a_link(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        link = tarfile.TarInfo("inside")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        tar.addfile(link)
        tar.addfile(tarfile.TarInfo("inside/outside.txt"))
    with pytest.raises(InputError, match="inside is a link or a device"):
        unpack(tmp_path / "a.tar", tmp_path / "deep" / "folder")
    assert not list(tmp_path.rglob("outside.txt"))


@pytest.mark.parametrize("name", ["../outside.txt", "a/../../outside.txt"])
def test_a_zip_cannot_write_outside(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        zipped.writestr(name, "evil")
    with pytest.raises(InputError, match="leads outside"):
        unpack(tmp_path / "a.zip", tmp_path / "deep" / "folder")
    assert not list(tmp_path.rglob("outside.txt"))


@pytest.mark.parametrize("cut", [-200, 100, 0])
def test_a_truncated_archive_is_told(tmp_path, cut):
    with zipfile.ZipFile(tmp_path / "whole", "w") as zipped:
        zipped.writestr("a.bin", BODY)
    whole = (tmp_path / "whole").read_bytes()
    unpack(tmp_path / "whole", tmp_path / "folder")
    assert (tmp_path / "folder" / "a.bin").read_bytes() == BODY
    for kind, archive in (("zip", whole), ("tar", tar_of(tmp_path / "folder", tmp_path))):
        (tmp_path / kind).write_bytes(archive[:cut])
        with pytest.raises(InputError, match="truncated or damaged"):
            unpack(tmp_path / kind, tmp_path / f"{kind} folder")
