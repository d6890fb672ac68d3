"""The command line as an admin uses it, against a chain behind HTTP: answers, refusals and exit codes."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from chia.util.keychain import set_keys_root_path
from click.testing import CliRunner, Result

from chain.garbage import collected_here
from chain.network import MAINNET
from chain.node import Node, Peak
from climate_wallet.keys import KeyStore
from puzzles.units import Mojos, PuzzleHash
from sim.local_chain import LocalChain
from sim.people import ALICE
from sim.server import serving
from tests.engine.databases import Databases
from tests.engine.people import COLD_KEYS, COLD_WORDS, HOT_KEYS, HOT_WORDS, cold_keys
from tests.engine.register.samples import document, unit
from tokenization_engine import errors
from tokenization_engine.cli import main
from tokenization_engine.exits import EXIT_CODES
from tokenization_engine.register.queries import find_unit
from tokenization_engine.register.store import Register
from tokenization_engine.register.units import change_status

INPUT, UNREACHABLE, REFUSED, KEYS, SETTINGS = 3, 4, 5, 6, 7
SERIES = "BT-CDM2746-2021"
COLD = "0x" + cold_keys(1)[0].hex()


T = TypeVar("T")


@dataclass(kw_only=True)
class Shell:
    """A terminal at which an admin sits."""

    chain: Town
    folder: Path
    database: str
    flags: tuple[str, ...]

    def run(self, *args: str, exit_code: int = 0, typed: str | None = None) -> Result:
        """The command's result; it must end with this exit code."""
        arguments = [*self.flags, *args]
        result = CliRunner().invoke(main, arguments, input=typed)
        assert result.exit_code == exit_code, (args, result.output, result.stderr, result.exception)
        return result

    def json(self, *args: str) -> Any:
        """The command's answer in JSON."""
        return json.loads((self.run(*args, "--json")).stdout)

    def refusal(self, exit_code: int, *args: str) -> str:
        """The one sentence with which the command is refused."""
        result = self.run(*args, exit_code=exit_code)
        (line,) = result.stderr.strip().splitlines()
        assert line.startswith("Error: ")
        assert "Traceback" not in result.output
        return line.removeprefix("Error: ")

    def file(self, name: str, data: bytes) -> str:
        """A file in the admin's folder."""
        (self.folder / name).write_bytes(data)
        return str(self.folder / name)


class Town:
    """A local chain that lives in a thread of its own, behind HTTP."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._stack = AsyncExitStack()
        self._farmer: asyncio.Task[None] | None = None
        self.url = self._do(self._open())

    async def _open(self) -> str:
        self._chain = await self._stack.enter_async_context(LocalChain.open())
        return (await self._stack.enter_async_context(serving(self._chain))).url

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def farm(self, blocks: int) -> None:
        self._do(self._chain.farm(blocks))

    def faucet(self, puzzle_hash: PuzzleHash, amount: Mojos) -> None:
        self._do(self._chain.faucet(puzzle_hash, amount))

    @contextmanager
    def farming(self) -> Iterator[None]:
        """Blocks come by themselves."""
        is_over = threading.Event()

        async def farm() -> None:
            while not is_over.is_set():
                await self._chain.farm()
                await asyncio.sleep(0.03)

        done = asyncio.run_coroutine_threadsafe(farm(), self._loop)
        yield
        is_over.set()
        done.result(60)

    def close(self) -> None:
        self._do(self._stack.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with collected_here():  # not by the chain's thread, which may not drop the commands' CLVM values
        town = Town()
        yield town
        town.close()


@pytest.fixture(scope="module")
def keychain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("keychain")
    store = KeyStore(root)
    store.restore(HOT_WORDS, "hot")
    store.restore(COLD_WORDS, "cold")
    store.close()
    return root


@pytest.fixture(autouse=True)
def settings_from_flags_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, keychain: Path) -> None:
    set_keys_root_path(keychain)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARBON_ENGINE_POLL_SECONDS", "0.01")
    monkeypatch.setenv("CARBON_ENGINE_WAIT_SECONDS", "30")
    monkeypatch.setenv("CARBON_ENGINE_AUTHOR", "admin")


def shell_in(folder: Path, town: Town, database: str) -> Shell:
    flags = (
        *("--database", database),
        *("--fingerprint", str(HOT_KEYS.info.fingerprint)),
        *("--node-url", town.url, "--network", "simulator0", "--confirmations", "2"),
    )
    return Shell(chain=town, folder=folder, database=database, flags=flags)


@pytest.fixture
def shell(town: Town, tmp_path: Path, register_url: str) -> Iterator[Shell]:
    yield shell_in(tmp_path, town, register_url)
    town.farm(2)
    gc.collect(1)


def open_up(shell: Shell) -> Shell:
    """Funds, a registry and two unit records."""
    shell.chain.faucet(HOT_KEYS.own.puzzle_hash, Mojos(10**12))
    shell.run("import", shell.file("units.json", document(unit(1, 100), unit(101, 250))))
    shell.run("registry", "create", "Bhutan", "--governor-key", COLD, "--fee-mojos", "0")
    shell.chain.farm(2)
    shell.run("resume")
    return shell


@pytest.fixture
def opened(shell: Shell) -> Shell:
    return open_up(shell)


@pytest.fixture
def farming(town: Town) -> Iterator[None]:
    with town.farming():
        yield


CALM: list[Shell] = []


@pytest.fixture
def calm(town: Town, tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Shell:
    """An opened shell, shared by tests that change nothing."""
    if not CALM:
        CALM.append(open_up(shell_in(tmp_path_factory.mktemp("calm"), town, databases.register())))
    return CALM[0]


def test_admin_goes_from_keys_to_tokens(opened: Shell, farming: None) -> None:
    done = opened.json("tokenize", "--all", "--to", ALICE.address, "--fee-mojos", "5", "--wait")
    assert [job["state"] for job in done["jobs"]] == ["registered"]
    assert [each["unit_count"] for each in done["plan"]["transactions"][0]["issues"]] == [100, 150]
    listed = opened.json("units", "list", "--tokenized")
    assert {each["marketplace"] for each in listed["units"]} == {"Tokenized on Chia"}
    assert (opened.json("registry", "show"))["units_issued"] == 250
    assert (opened.json("status"))["jobs"] == []
    free = opened.json("free", SERIES)
    assert [each["first"] for each in free["free"]] == [0, 251]


def test_dry_run_shows_blocks_asset_ids_cost_and_fee_and_does_nothing(calm: Shell) -> None:
    planned = calm.json("tokenize", f"{SERIES}-1", "--dry-run", "--fee", "0.00001")
    (part,) = planned["plan"]["transactions"]
    assert part["fee"] == 10_000_000
    assert part["cost"] > 50_000_000
    assert part["issues"][0]["asset_id"].startswith("0x")
    assert planned["jobs"] == []
    assert (calm.json("status"))["jobs"] == []


def test_plain_text_is_shown_to_people(opened: Shell, farming: None) -> None:
    assert "100" in (opened.run("units", "list")).stdout
    shown = (opened.run("tokenize", f"{SERIES}-1", "--fee-mojos", "0", "--wait")).stdout
    assert "registered" in shown
    assert "Bhutan" in (opened.run("registry", "show")).stdout
    assert "this engine" in (opened.run("registry", "show")).stdout
    assert "nothing is under way" in (opened.run("status")).stdout
    assert "registered" in (opened.run("status", "--all")).stdout
    assert "unitStatus: Held" in (opened.run("units", "show", f"{SERIES}-1")).stdout
    assert HOT_KEYS.own.public_key.hex() in (opened.run("keys", "show")).stdout
    assert "holds" in (opened.run("address")).stdout
    assert "101" in (opened.run("free", SERIES)).stdout


def test_statement_is_said(opened: Shell, farming: None) -> None:
    answer = opened.json("statement", "notice", "--field", "message=hello = world", "--fee-mojos", "1", "--wait")
    assert answer["jobs"][0]["state"] == "confirmed"


def with_cold_key(flags: tuple[str, ...]) -> tuple[str, ...]:
    """The flags of the machine that keeps the cold key."""
    hot, cold = str(HOT_KEYS.info.fingerprint), str(COLD_KEYS.info.fingerprint)
    return tuple(cold if each == hot else each for each in flags)


def test_owners_are_rotated_by_files(opened: Shell, farming: None) -> None:
    order, signatures = str(opened.folder / "order.json"), str(opened.folder / "signatures.json")
    narrow = ("--allot", f"{SERIES}:1-100")
    opened.run("rotate", "prepare", *narrow, "--output", order)
    signer = replace(opened, flags=with_cold_key(opened.flags))
    signer.run("rotate", "sign", order, "--output", signatures, typed="y\n")
    done = opened.json("rotate", "attach", order, signatures, "--fee-mojos", "0", "--wait")
    assert done["state"] == "confirmed"
    shown = opened.json("registry", "show")
    assert shown["issuer"]["allotment"] == [{"series": SERIES, "first": 1, "last": 100}]
    sentence = opened.refusal(REFUSED, "tokenize", f"{SERIES}-101")
    assert "outside what the governor allotted" in sentence


def test_order_is_not_signed_without_a_yes(opened: Shell) -> None:
    order = str(opened.folder / "order.json")
    opened.run("rotate", "prepare", "--allot", "BT-1:1-5", "--output", order)
    opened.flags = with_cold_key(opened.flags)
    result = opened.run("rotate", "sign", order, "--output", str(opened.folder / "s.json"), typed="n\n", exit_code=1)
    assert '"issuer_key"' in result.stderr
    assert not (opened.folder / "s.json").exists()


def test_several_governors_get_a_cold_singleton(shell: Shell, farming: None) -> None:
    shell.chain.faucet(HOT_KEYS.own.puzzle_hash, Mojos(10**12))
    keys = [flag for key in cold_keys(3) for flag in ("--governor-key", "0x" + key.hex())]
    made = shell.json("registry", "create", "R", *keys, "--threshold", "2", "--fee-mojos", "0", "--wait")
    assert made["job"]["state"] == "confirmed"
    governor = (shell.json("registry", "show"))["governor"]
    assert (governor["kind"], governor["threshold"], len(governor["public_keys"])) == ("custody", 2, 3)
    shown = shell.run("registry", "show").stdout.split("governor: ")[1].splitlines()
    assert shown[0].startswith("2 of 3 keys, in the singleton 0x")
    assert shown[1:4] == [f"  {key}" for key in governor["public_keys"]]
    shell.json(
        "registry",
        "open",
        made["registry_id"],
        *keys,
        "--threshold",
        "2",
        "--governor-singleton",
        governor["launcher_id"],
    )


def test_job_is_cancelled_before_anything_is_signed(opened: Shell) -> None:
    opened.run("tokenize", f"{SERIES}-1", "--fee-mojos", "0")
    opened.run("tokenize", f"{SERIES}-101", "--fee-mojos", "0")
    numbers = [job["job"] for job in (opened.json("status"))["jobs"]]
    assert (opened.json("cancel", str(numbers[1])))["jobs"][0]["state"] == "dropped"
    assert "cannot be cancelled" in opened.refusal(REFUSED, "cancel", str(numbers[0]))
    assert "the journal holds no job 999" in opened.refusal(INPUT, "cancel", "999")


def test_import_checked_only_imports_nothing(shell: Shell) -> None:
    answer = shell.json("import", shell.file("units.json", document(unit(1, 100))), "--dry-run")
    assert answer["result"]["unit_count"] == 100
    assert (shell.json("units", "list"))["record_count"] == 0


def test_bad_import_names_the_problem(shell: Shell) -> None:
    sentence = shell.refusal(INPUT, "import", shell.file("bad.json", document(unit(1, 100, unitCount=7))))
    assert "unitCount" in sentence
    assert "cannot be read" in shell.refusal(INPUT, "import", str(shell.folder / "absent.json"))


def test_mnemonic_with_a_typo_is_refused(shell: Shell) -> None:
    words = HOT_WORDS.split()
    words[3] = words[3] + "x"
    sentence = shell.refusal(INPUT, "keys", "restore", "--words-file", shell.file("words", " ".join(words).encode()))
    assert words[3] in sentence


@pytest.mark.parametrize(
    ("exit_code", "args", "sentence"),
    [
        (INPUT, ("tokenize", f"{SERIES}-999"), "the register holds no unit with the serial number"),
        (INPUT, ("tokenize", "nonsense"), "is not a serial number"),
        (INPUT, ("tokenize",), "no unit was named"),
        (INPUT, ("tokenize", "--all", "--to", "xch1" + "q" * 58), "not a Chia address"),
        (INPUT, ("tokenize", "--all", "--to", ALICE.address[:-1]), "not a Chia address"),
        (INPUT, ("tokenize", "--all", "--fee", "much"), "is not an amount of XCH"),
        (INPUT, ("tokenize", "--all", "--fee", "1", "--fee-mojos", "1"), "the fee is given twice"),
        (REFUSED, ("tokenize", "--all", "--fee", "5000"), "is above the ceiling of 1000000000 mojos"),
        (INPUT, ("raise-fee", "99"), "the journal holds no job 99"),
        (REFUSED, ("tokenize", "--all", "--fee", "5000", "--allow-high-fee"), "funding and fees need 5000"),
        (INPUT, ("registry", "open", "0x12"), "is not the id of a registry: expected 0x and 64 hex digits"),
        (INPUT, ("registry", "open", "ab" * 32), "is not the id of a registry: the node knows no such coin"),
        (INPUT, ("registry", "create", "A"), "needs a governor who is not the issuer"),
        (INPUT, ("registry", "create", "A", "--governor-key", "0x00"), "is not a public key"),
        (INPUT, ("registry", "create", "A", "--governor-key", "0x" + HOT_KEYS.own.public_key.hex()), "own"),
        (INPUT, ("registry", "create", "A", "--governor-key", COLD, "--allot", "x"), "is not an allotment"),
        (INPUT, ("statement", "notice", "--field", "message"), "is no field: expected NAME=VALUE"),
        (INPUT, ("statement", "revocation"), "needs the field authorization_id"),
        (INPUT, ("detokenize", "absent.json"), "absent.json cannot be read"),
        (INPUT, ("rotate", "sign", "absent.json", "--output", "x"), "absent.json cannot be read"),
        (INPUT, ("units", "show", f"{SERIES}-999"), "the register holds no unit"),
        (INPUT, ("units", "list", "--asset-id", "0x1"), "is not an asset id"),
        (INPUT, ("free", "bt 1"), "is not in canonical form"),
    ],
)
def test_bad_input_gets_one_sentence_and_its_exit_code(
    calm: Shell, exit_code: int, args: tuple[str, ...], sentence: str
) -> None:
    assert sentence in calm.refusal(exit_code, *args)


@pytest.mark.parametrize("args", [("units", "list", "--vintage", "9" * 30), ("cancel", "9" * 30)])
def test_number_beyond_every_range_is_a_wrong_use_and_no_fault(calm: Shell, args: tuple[str, ...]) -> None:
    assert "is not in the range" in calm.run(*args, exit_code=2).stderr


def test_address_of_another_network_is_refused(calm: Shell) -> None:
    mainnet = MAINNET.encode_address(ALICE.puzzle_hash)
    sentence = calm.refusal(INPUT, "tokenize", "--all", "--to", mainnet)
    assert "is an address of another network: expected one that begins with txch1" in sentence


def test_unit_tokenized_before_and_retired_unit_are_refused(opened: Shell, farming: None) -> None:
    opened.run("tokenize", f"{SERIES}-1", "--fee-mojos", "0", "--wait")
    assert "serials are tokenized once" in opened.refusal(REFUSED, "tokenize", f"{SERIES}-1")
    register = Register.open(opened.database)
    with register.writing("admin") as session:
        change_status(session, find_unit(session, f"{SERIES}-101").id, "Retired", reason="used at home")
    register.close()
    assert "is Retired and cannot be tokenized" in opened.refusal(REFUSED, "tokenize", f"{SERIES}-101")


def test_keychain_with_a_passphrase_asks_for_it(shell: Shell, keychain: Path) -> None:
    store = KeyStore(keychain)
    store.set_passphrase("correct horse")
    store.close()
    try:
        assert shell.run("address", typed="correct horse\n").exit_code == 0
        assert "does not open the keychain" in shell.run("address", typed="wrong horse\n", exit_code=KEYS).stderr
    finally:
        store = KeyStore(keychain)
        store.unlock("correct horse")
        store.set_passphrase("")
        store.close()


def test_refusal_is_json_when_asked_for(shell: Shell) -> None:
    result = shell.run("registry", "show", "--json", exit_code=REFUSED)
    assert json.loads(result.stderr)["error"] == "NoRegistry"


def test_node_that_is_down_is_named(calm: Shell) -> None:
    flags = tuple("http://127.0.0.1:9" if each.startswith("http") else each for each in calm.flags)
    down = replace(calm, flags=flags)
    assert "no node answers at http://127.0.0.1:9" in down.refusal(UNREACHABLE, "registry", "show")


def test_node_that_is_not_synced_is_named(calm: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Node.peak

    async def behind(node: Node) -> Peak:
        return replace(await whole(node), is_synced=False)

    monkeypatch.setattr(Node, "peak", behind)
    assert "is not synced" in calm.refusal(UNREACHABLE, "tokenize", "--all")


def test_wrong_certificates_are_named(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CARBON_CHIA_ROOT", str(tmp_path))
    shell.flags = tuple("https://127.0.0.1:9" if each.startswith("http") else each for each in shell.flags)
    sentence = shell.refusal(UNREACHABLE, "registry", "open", "ab" * 32)
    assert "holds no config/config.yaml" in sentence


def test_broken_config_file_is_named(shell: Shell) -> None:
    shell.file("carbon.yaml", b"engine:\n  confirmations: [1\n")
    assert "carbon.yaml, line" in shell.refusal(SETTINGS, "units", "list")


def test_unknown_key_in_the_config_file_is_named(shell: Shell) -> None:
    shell.file("carbon.yaml", b"engine:\n  confirmation: 1\n")
    sentence = shell.refusal(SETTINGS, "units", "list")
    assert "line 2" in sentence
    assert "'confirmation'" in sentence


def test_database_that_is_none_is_named(shell: Shell) -> None:
    path = shell.file("other.sqlite", b"not a database at all, but long enough to look like one" * 20)
    shell.flags += ("--database", f"sqlite:///{path}")
    assert "is not a database of ours" in shell.refusal(SETTINGS, "units", "list"), path


def test_key_that_the_keychain_does_not_hold_is_named(shell: Shell) -> None:
    known = str(HOT_KEYS.info.fingerprint)
    shell.flags = tuple("7" if each == known else each for each in shell.flags)
    assert "does not hold the key 7" in shell.refusal(KEYS, "address")


def test_every_error_of_the_engine_has_an_exit_code() -> None:
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.EngineError)]
    assert all(any(family in EXIT_CODES for family in kind.__mro__) for kind in kinds)


def test_admin_raises_the_fee_of_a_stuck_job(opened: Shell) -> None:
    job = opened.json("tokenize", f"{SERIES}-1", "--fee-mojos", "1000")["jobs"][0]
    assert (job["state"], job["fee"]) == ("pushed", 1000)
    number = str(job["job"])
    assert "replaces nothing" in opened.refusal(INPUT, "raise-fee", number, "--fee-mojos", "2000")
    assert "--allow-high-fee" in opened.refusal(REFUSED, "raise-fee", number, "--fee", "0.01")
    (raised,) = opened.json("raise-fee", number, "--fee", "0.01", "--allow-high-fee")["jobs"]
    assert (raised["state"], raised["fee"]) == ("pushed", 10**10)
    assert raised["transaction_id"] != job["transaction_id"]
    opened.chain.farm(2)
    opened.run("resume")
    (done,) = (each for each in opened.json("status", "--all")["jobs"] if each["job"] == job["job"])
    assert (done["state"], done["fee"], done["transaction_id"]) == ("registered", 10**10, raised["transaction_id"])
    assert "only the fee of a job that waits" in opened.refusal(REFUSED, "raise-fee", number, "--fee", "0.0001")
