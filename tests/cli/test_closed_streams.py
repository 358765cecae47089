from __future__ import annotations

import subprocess
import sys

import pytest

COMMAND = [sys.executable, "-c", "from kappatune.cli import main; main()"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell that closes streams")
@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_a_command_does_its_work_with_closed_streams(tmp_path, closed):
    (tmp_path / "cu.vasp").write_text("Cu\n1\n0 1.8 1.8\n1.8 0 1.8\n1.8 1.8 0\nCu\n1\nDirect\n0 0 0\n")
    arguments = ["screen", "cu.vasp", "--out", "scan", "--workers", "1"]
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh", *COMMAND, *arguments]
    ended = subprocess.run(shell, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "scan" / "_manifest.json").is_file()
    assert ended.stdout == ("" if "1>" in closed else "scan\n")
    assert ("1 of them answered" in ended.stderr) == ("2>" not in closed)
