"""The wheel holds all that the programs need and nothing of the tests: installed in a venv of its own, they run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from sim.programs import MODULES

ROOT = Path(__file__).parents[2]
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"][
    "packages"
]
SUFFIXES_OF_DATA = {".hex", ".clsp", ".clib", ".json", ".html", ".typed"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def run(*command: str, **environment: str) -> str:
    """What the command prints; it must succeed."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("CARBON_", "PYTHON"))}
    done = subprocess.run(
        command, env={**clean, **environment}, cwd="/", capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """The wheel, built from this checkout."""
    folder = tmp_path / "dist"
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT))
    (path,) = folder.glob("*.whl")
    return path


def test_wheel_holds_every_file_of_the_packages_and_no_test(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.partition("/")[0] for name in names}
    assert {each for each in tops if not each.endswith(".dist-info")} == set(PACKAGES)
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*"):
            if path.suffix in SUFFIXES_OF_DATA | {".py"} and path.is_file():
                assert str(path.relative_to(ROOT)) in names
        assert f"{package}/py.typed" in names


WHAT_IS_THERE = """
import json, pathlib, puzzles.program, sim, tokenization_engine, explorer, climate_wallet, chain
from importlib import resources
from chain.database import newest_script
packages = (puzzles, sim, tokenization_engine, explorer, climate_wallet, chain)
databases = ("climate_wallet", "tokenization_engine", "explorer")
print(json.dumps({
    "places": [str(pathlib.Path(each.__file__).parent) for each in packages],
    "migrations": [newest_script(f"{each}.migrations") for each in databases],
    "puzzle": bool(puzzles.program.load_mod("registry_ledger").get_tree_hash()),
    "template": (resources.files("explorer") / "templates" / "index.html").is_file(),
}))
"""


def test_wheel_alone_tells_the_whole_story_in_a_venv_of_its_own(wheel: Path, tmp_path: Path) -> None:
    folder = tmp_path / "venv"
    venv.create(folder, with_pip=True)
    here = folder / "bin"
    run(str(here / "python"), "-m", "pip", "install", "--quiet", str(wheel))
    for program in MODULES:
        assert "Usage:" in run(str(here / program), "--help")
    found = json.loads(run(str(here / "python"), "-I", "-c", WHAT_IS_THERE))
    assert all(place.startswith(str(folder)) for place in found["places"])
    assert found["puzzle"]
    assert found["template"]
    assert all(number >= "0001" for number in found["migrations"])
    told = run(str(here / "climate-sim"), "demo", "--folder", str(tmp_path / "demo"), HOME=str(tmp_path))
    assert "certificate" in told
