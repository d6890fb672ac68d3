"""The demo, run as its user runs it: every program through its own command line, on a chain of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from puzzles.certificate import read_certificate


@pytest.mark.slow
def test_newcomer_is_told_the_whole_story(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sim", "demo", "--folder", str(tmp_path / "demo")],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    story = re.sub(r"\s+", " ", done.stdout)
    for told in (
        "9 unit records of 781,653 units",
        "9 tokens in one transaction",
        "BT-CDM2746-2018-1 to BT-CDM2746-2018-12000 12,000 Druk Air",
        "BT-CDM2746-2018-12001 to BT-CDM2746-2018-15500 3,500 a beneficiary named privately",
        "BT-CDM2746-2018-1 to 12000 12,000 2018 Retired Druk Air",
        "BT-CDM2746-2018-15501 to 60000 44,500 2018 Held",
        "issued 781,653 live 766,153 retired 15,500",
        "index and the register agree",
        "proven to a trusted header",
        "this block's header is the one you trust: the units are retired",
        "the certificate contradicts itself",
        "serials are tokenized once",
        "the wallet can move 25000",
        "the same serials issued again: the chain answers GENERATOR_RUNTIME_ERROR",
        "ten units claimed for one burnt: the chain answers GENERATOR_RUNTIME_ERROR",
        "Told in",
    ):
        assert told in story, told
    certificate = (tmp_path / "demo" / "certificate.json").read_bytes()
    assert read_certificate(certificate).unit_count == 3500
    assert read_certificate(certificate).proof is not None
    assert "A guest of Druk Air" in json.dumps(json.loads(certificate))
