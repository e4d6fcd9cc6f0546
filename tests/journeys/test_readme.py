"""The README's example, run as it stands against a system started as it says."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_example_of_the_readme_does_what_it_says(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [example, _] = re.findall(r"^```sh\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    ready_file = tmp_path / "ready.json"
    home = tmp_path / "home"
    home.mkdir()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "shared.runtime.cli", "up", "--headless", "--demo"),
            *("--port", "0", "--data-dir", str(tmp_path / "data")),
            *("--ready-file", str(ready_file)),
        ],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if line.startswith("running"):
                break
        assert ready_file.exists(), said
        ready = json.loads(ready_file.read_text(encoding="utf-8"))
        script = example.replace("/tmp/guardian.json", str(ready_file))  # noqa: S108 - the README's
        script = script.replace("http://127.0.0.1:8080", ready["api_url"])
        answer = subprocess.run(
            ["sh", "-euc", script],  # noqa: S607 - the reader's own shell
            capture_output=True,
            text=True,
            check=True,
        )
        decoder = json.JSONDecoder()
        receipt, end = decoder.raw_decode(answer.stdout)
        overview, _ = decoder.raw_decode(answer.stdout[end:].lstrip())

        assert receipt["delivery_count"] == 2, "two of the demo's integrations hear of readiness"
        assert overview["readiness"]["status"] == "ok"
        assert len(ready["tenants"]) == 12
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 0
