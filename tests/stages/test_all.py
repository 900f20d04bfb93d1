"""All stages by one call, and from the command line."""

import sys

import pytest
from data_standins import make_own

from dbb.stages import __main__ as command
from dbb.stages.all import STAGES, make_stages
from dbb.stages.run import Run, open_run


def test_stages_come_in_their_order_up_to_the_last_that_is_asked_for(tiny, finished):
    run = Run(tiny, 0, finished, "cpu")
    assert [made.record["stage"] for made in make_stages(run)] == [*STAGES]
    assert [made.record["stage"] for made in make_stages(run, "masks")] == ["data", "erm", "tokens", "masks"]


def test_the_command_line_makes_then_loads(tmp_path, monkeypatch, capsys):
    own = make_own(tmp_path / "own", "erm: {epochs: 1, batch_size: 4}")
    arguments = ["--benchmark", str(own), "--seed", "4", "--runs", str(tmp_path / "runs"), "--device", "cpu", "--to"]
    said = []
    for last in ("data", "erm"):
        monkeypatch.setattr(sys, "argv", ["dbb.stages", *arguments, last])
        command.main()
        said.append(capsys.readouterr().out.splitlines())
    found = "data: found, made from the same code, settings and inputs; loaded, not made again"
    assert said == [["data: made now"], [found, "erm: made now"]]
    assert open_run(str(own), 4, tmp_path / "runs").made("erm").record["device"].endswith("cores")
    monkeypatch.setattr(sys, "argv", ["dbb.stages", "--to", "results"])
    with pytest.raises(SystemExit):
        command.main()
