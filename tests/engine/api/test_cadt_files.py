"""Workbooks and CSV files through CADT's paths: downloaded, and staged whole or not at all."""

from __future__ import annotations

import asyncio
import io
import threading
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData
from python_calamine import CalamineWorkbook

from tests.engine.api.conftest import Caller
from tests.engine.register.samples import SERIES
from tests.engine.sheets.books import workbook
from tokenization_engine.errors import ListsBusy
from tokenization_engine.register.staging.desk import count_staged
from tokenization_engine.register.store import Register
from tokenization_engine.register_api import cadt_files, uploads
from tokenization_engine.register_api.cadt_files import XLSX
from tokenization_engine.register_api.turns import Turns
from tokenization_engine.sheets import guard

Sheets = dict[str, list[list[Any]]]


async def downloaded(caller: Caller, path: str) -> bytes:
    async with caller.client.get(path, headers=caller.headers) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == XLSX
        assert response.headers["Content-Disposition"].startswith("attachment; filename=")
        return await response.read()


async def sent(
    caller: Caller, method: str, path: str, part: str, data: bytes, *, status: int = 200, **more: str
) -> dict[str, Any]:
    form = FormData(quote_fields=False)
    for name, text in more.items():
        form.add_field(name, text)
    form.add_field(part, io.BytesIO(data), filename=f"a.{part}", content_type="application/octet-stream")
    async with caller.client.request(method, path, data=form, headers=caller.headers) as response:
        assert response.status == status, await response.text()
        answer: dict[str, Any] = await response.json()
        return answer


def sheets_of(data: bytes) -> Sheets:
    book = CalamineWorkbook.from_filelike(io.BytesIO(data))
    return {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}


def edited(tmp_path: Path, sheets: Sheets, name: str, values: list[Any]) -> bytes:
    """The units' workbook with these values in that column, from the first unit on."""
    header, *rows = sheets["units"]
    for row, value in zip(rows, values, strict=False):
        row[header.index(name)] = value
    return workbook(tmp_path / "edited.xlsx", {**sheets, "units": [header, *rows]}).read_bytes()


def waiting(register: Register) -> int:
    with register.reading() as session:
        return count_staged(session)


async def test_list_is_downloaded_edited_staged_and_committed(
    editor: Caller, register: Register, tmp_path: Path
) -> None:
    sheets = sheets_of(await downloaded(editor, "/v1/units?xls=true&order=ASC"))
    assert len(sheets["units"]) == 5
    answer = await sent(
        editor, "PUT", "/v1/units/xlsx", "xlsx", edited(tmp_path, sheets, "unitOwner", ["Alice", "Bob"])
    )
    assert (answer["message"], answer["success"]) == ("Updates from xlsx added to staging", True)
    assert (answer["staged_count"], answer["unchanged_count"]) == (2, 2)
    await editor("POST", "/v1/staging/commit")
    owners = [one["unitOwner"] for one in (await editor("GET", "/v1/units?page=1&limit=9&order=SERIALNUMBER"))["data"]]
    assert owners == ["Alice", "Bob", None, None]


async def test_download_holds_what_the_query_wants_in_its_order(editor: Caller, reader: Caller) -> None:
    rows = sheets_of(await downloaded(reader, "/v1/units?xls=true&filter=vintageYear:2020:gt&order=SERIALNUMBER"))
    header, *units = rows["units"]
    assert [row[header.index("unitBlockStart")] for row in units] == [f"{SERIES}-201", f"{SERIES}-301"]
    nothing = sheets_of(await downloaded(reader, "/v1/units?xls=true&orgUid=another"))
    assert [len(one) for one in nothing.values()] == [1]
    projects = sheets_of(await downloaded(reader, "/v1/projects?xls=true"))
    assert {"projects", "projectLocations", "issuances", "labels"} <= projects.keys()


async def test_projects_go_out_and_come_back(editor: Caller, register: Register) -> None:
    data = await downloaded(editor, "/v1/projects?xls=true")
    answer = await sent(editor, "PUT", "/v1/projects/xlsx", "xlsx", data)
    assert (answer["staged_count"], answer["unchanged_count"], waiting(register)) == (0, 1, 0)


async def test_csv_is_staged(editor: Caller, register: Register) -> None:
    unit = (await editor("GET", "/v1/units?page=1&limit=1&order=SERIALNUMBER"))["data"][0]
    names = [name for name, value in unit.items() if isinstance(value, str | int) and name != "orgUid"]
    line = ";".join(str(unit[name]) for name in names)
    data = f"{';'.join(names)};unitOwner\r\n{line};Zoë\r\n".encode("utf-8-sig")
    answer = await sent(editor, "POST", "/v1/units/batch", "csv", data)
    assert answer["message"].startswith("CSV processing complete")
    (row,) = await editor("GET", "/v1/staging")
    assert row["diff"]["change"][0]["unitOwner"] == "Zoë"


async def test_every_problem_is_told_by_its_place_and_nothing_is_staged(
    editor: Caller, register: Register, tmp_path: Path
) -> None:
    sheets = sheets_of(await downloaded(editor, "/v1/units?xls=true&order=ASC"))
    data = edited(tmp_path, sheets, "unitStatus", ["Held", "Sold", "", "Held"])
    answer = await sent(editor, "PUT", "/v1/units/xlsx", "xlsx", data, status=400)
    assert answer["message"] == "Data Validation error"
    places = [one.split('"')[1] for one in answer["errors"]]
    assert [place.split(" column")[0] for place in places] == ["units row 3", "units row 4"]
    assert all(place.endswith(", unitStatus") for place in places)
    torn = await sent(editor, "POST", "/v1/units/batch", "csv", b"unitOwner,unitCount\nAlice\n", status=400)
    assert torn["errors"][0].startswith('"line 2" has 1 fields')
    assert waiting(register) == 0


@pytest.mark.parametrize(
    ("path", "file", "said"),
    [
        ("/v1/units/xlsx", ("xlsx", b"no workbook"), "is no XLSX workbook"),
        ("/v1/units/xlsx", ("file", b""), "File Not Received"),
        ("/v1/projects/batch", ("csv", "a,b\n1,2\n".encode("utf-16")), "UTF-16"),
        ("/v1/projects/batch", ("csv", b""), "the file is empty"),
        ("/v1/units/batch", ("file", b""), "File Not Received"),
    ],
)
async def test_file_that_is_none_is_refused_in_one_sentence(
    editor: Caller, register: Register, path: str, file: tuple[str, bytes], said: str
) -> None:
    method = "POST" if path.endswith("batch") else "PUT"
    assert said in str(await sent(editor, method, path, *file, status=400))
    assert waiting(register) == 0


async def test_body_that_is_no_form_is_refused(editor: Caller) -> None:
    assert "File Not Received" in (await editor("PUT", "/v1/units/xlsx", {"xlsx": 1}, status=400))["error"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--x\r\n",
        b"--y\r\n\r\n--y--",
        b'--x\r\nContent-Disposition: form-data; name="xlsx"; filename="a"\r\n\r\nPK',
        b'--x\r\nContent-Disposition: form-data; name="xlsx"\r\nContent-Length: 9999\r\n\r\nPK\r\n--x--\r\n',
        b"--x\r\nContent-Type: multipart/mixed; boundary=z\r\n\r\n--z\r\n\r\na\r\n--z--\r\n--x--\r\n",
        b"--x\r\n" + b"A: " + b"b" * 100_000 + b"\r\n\r\na\r\n--x--\r\n",
        b'--x\r\nContent-Disposition: form-data; name="other"\r\n\r\na\r\n' * 20 + b"--x--\r\n",
    ],
)
async def test_form_that_does_not_read_is_refused_and_never_a_fault(editor: Caller, body: bytes) -> None:
    headers = {**editor.headers, "Content-Type": "multipart/form-data; boundary=x"}
    async with editor.client.put("/v1/units/xlsx", data=body, headers=headers) as response:
        assert response.status == 400, await response.text()


async def test_two_files_or_much_beside_one_are_refused(editor: Caller) -> None:
    assert "alone" in str(await sent(editor, "PUT", "/v1/units/xlsx", "xlsx", b"PK", status=400, other="x" * 2**16))
    form = FormData()
    for _ in range(2):
        form.add_field("xlsx", b"PK", filename="a.xlsx")
    async with editor.client.put("/v1/units/xlsx", data=form, headers=editor.headers) as response:
        assert "stands twice" in await response.text()


async def test_file_too_large_is_refused_before_it_is_read(
    editor: Caller, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "UPLOAD_LIMIT", 1000)
    assert "at most 1000" in str(await sent(editor, "PUT", "/v1/units/xlsx", "xlsx", b"x" * 10**6, status=413))
    assert "more than 1000" in str(await sent(editor, "PUT", "/v1/units/xlsx", "xlsx", b"x" * 1001, status=413))


async def test_file_that_comes_too_slowly_is_refused(editor: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "UPLOAD_SECONDS", 0.05)
    never = asyncio.Event()

    async def body() -> Any:
        yield b'--x\r\nContent-Disposition: form-data; name="xlsx"\r\n\r\n'
        await never.wait()

    headers = {**editor.headers, "Content-Type": "multipart/form-data; boundary=x"}
    async with editor.client.put("/v1/units/xlsx", data=body(), headers=headers) as response:
        assert response.status == 408
    never.set()


async def test_zip_bomb_is_refused_over_http_too(
    editor: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = workbook(tmp_path / "bomb.xlsx", {"units": [["unitOwner"], *[["x" * 1000] * 50 for _ in range(100)]]})
    monkeypatch.setattr(guard, "MAX_UNPACKED", 1000)
    answer = await sent(editor, "PUT", "/v1/units/xlsx", "xlsx", bomb.read_bytes(), status=400)
    assert "unpacks to more than" in answer["errors"][0]


async def test_caller_who_may_not_edit_stages_no_file(
    reader: Caller, issuer: Caller, stranger: Caller, register: Register
) -> None:
    for caller in (reader, issuer, stranger):
        for method, path, part in (("PUT", "/v1/units/xlsx", "xlsx"), ("POST", "/v1/projects/batch", "csv")):
            await sent(caller, method, path, part, b"a,b\n", status=403)
    await stranger("GET", "/v1/units?xls=true", status=403)
    assert waiting(register) == 0


async def test_file_calls_no_unit_a_token(editor: Caller, register: Register) -> None:
    claim = b"marketplace,marketplaceIdentifier,assetId\nTokenized on Chia,0x" + b"bb" * 32 + b",0x" + b"bb" * 32
    answer = await sent(editor, "POST", "/v1/units/batch", "csv", claim + b"\n", status=400)
    assert any("the engine writes" in one for one in answer["errors"])
    assert waiting(register) == 0


async def test_readers_who_download_hold_no_editor_up(
    editor: Caller, reader: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_let_go = threading.Event()

    def slowly(_session: object, path: Path, *_more: object) -> None:
        assert is_let_go.wait(60)
        path.write_bytes(b"")

    monkeypatch.setattr(cadt_files, "export_found", slowly)
    waiting = [asyncio.create_task(downloaded(reader, "/v1/units?xls=true&order=ASC")) for _ in range(3)]
    await asyncio.sleep(0.2)
    csv = b"warehouseUnitId,unitCount\n,1\n"
    try:
        await asyncio.wait_for(sent(editor, "POST", "/v1/units/batch", "csv", csv, status=400), 30)
    finally:
        is_let_go.set()
    assert await asyncio.gather(*waiting) == [b""] * 3


async def test_who_comes_when_many_wait_is_sent_away_and_may_come_again() -> None:
    few = Turns("files", at_once=1, waiting=0)
    async with few.taken("one"):
        with pytest.raises(ListsBusy, match="come again in a minute"):
            async with few.taken("another"):
                pass
    async with few.taken("another"):
        pass


async def test_nobody_takes_all_the_turns() -> None:
    turns, is_let_go = Turns("files", at_once=1, waiting=8), asyncio.Event()

    async def take(caller: str) -> str:
        async with turns.taken(caller):
            await is_let_go.wait()
        return caller

    greedy = [asyncio.create_task(take("greedy")) for _ in range(9)]
    await asyncio.sleep(0)
    modest = asyncio.create_task(take("modest"))
    await asyncio.sleep(0)
    is_let_go.set()
    done = await asyncio.gather(*greedy, return_exceptions=True)
    assert [one for one in done if one == "greedy"] == ["greedy"] * 3
    assert sum("3 files of yours are under way" in str(one) for one in done) == 6
    assert await modest == "modest"
    assert await take("greedy") == "greedy"
