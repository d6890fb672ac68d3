"""The command line's keys: created, restored, shown and deleted here, at the terminal, never through the
daemon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from chain.console import Output, output_option
from climate_wallet.keys import KeyInfo, KeyStore

if TYPE_CHECKING:
    from rich.console import Console


@click.group()
def keys() -> None:
    """Create, restore, list and delete keys in Chia's keychain (CHIA_KEYS_ROOT)."""


@keys.command("create")
@click.option("--label", help="A name for the key.")
@output_option
def keys_create(out: Output, label: str | None) -> None:
    """Create a key and show its 24 words, once."""
    made = _key_store().create(label)
    value = {**_key_json(made.info), "mnemonic": made.mnemonic}
    out.show(value, text=lambda console: _show_words(console, made.info, made.mnemonic))


@keys.command("restore")
@click.option("--label", help="A name for the key.")
@click.option("--words-file", type=click.File("r", encoding="utf-8"), help="Read the words from a file, - for stdin.")
@output_option
def keys_restore(out: Output, label: str | None, words_file: Any) -> None:
    """Restore a key from its words; they are asked for, and never shown or kept in the shell's history."""
    if words_file is not None:
        words = words_file.read(10_000)
    else:
        words = click.prompt("The 24 words", hide_input=True, err=True)
    info = _key_store().restore(words, label)
    out.show(_key_json(info), text=lambda console: console.print(f"restored the key {info.fingerprint}"))


@keys.command("list")
@output_option
def keys_list(out: Output) -> None:
    """The keys in the keychain."""
    found = _key_store().list()
    rows = [(key.fingerprint, key.label or "", "0x" + key.public_key.hex()) for key in found]
    out.show_table(
        {"keys": [_key_json(key) for key in found]},
        ["fingerprint", "label", "master public key"],
        rows,
        empty="the keychain holds no keys: create one with climate-wallet keys create",
    )


@keys.command("show")
@click.argument("fingerprint", type=int)
@click.option("--words", is_flag=True, help="Show the secret words as well.")
@output_option
def keys_show(out: Output, fingerprint: int, words: bool) -> None:
    """One key; with --words, also what restores it."""
    store = _key_store()
    info = store.find(fingerprint)
    secret = store.mnemonic(fingerprint) if words else None
    value = {**_key_json(info), **({"mnemonic": secret} if secret else {})}
    out.show(value, text=lambda console: _show_words(console, info, secret))


@keys.command("delete")
@click.argument("fingerprint", type=int)
@click.option("--yes", is_flag=True, help="Do not ask.")
@output_option
def keys_delete(out: Output, fingerprint: int, yes: bool) -> None:
    """Delete a key from the keychain; only its words bring it back."""
    store = _key_store()
    store.find(fingerprint)
    if not yes:
        click.confirm(f"Delete the key {fingerprint}? Only its words bring it back", abort=True, err=True)
    store.delete(fingerprint)
    out.show({"deleted": fingerprint}, text=lambda console: console.print(f"deleted the key {fingerprint}"))


@keys.command("passphrase")
@click.option("--remove", is_flag=True, help="Protect the keychain with none.")
@output_option
def keys_passphrase(out: Output, remove: bool) -> None:
    """Set, change or remove the keychain's passphrase."""
    store = _key_store()
    new = "" if remove else click.prompt("New passphrase", hide_input=True, confirmation_prompt=True, err=True)
    store.set_passphrase(new)
    text = "the keychain has no passphrase now" if remove else "the keychain's passphrase is set"
    out.show({"has_passphrase": not remove}, text=lambda console: console.print(text))


def _key_store() -> KeyStore:
    """The keychain, opened by its passphrase if it has one."""
    store = KeyStore()
    click.get_current_context().call_on_close(store.close)
    if store.is_locked:
        store.unlock(click.prompt("Passphrase of the keychain", hide_input=True, err=True))
    return store


def _key_json(info: KeyInfo) -> dict[str, object]:
    return {"fingerprint": info.fingerprint, "label": info.label, "public_key": info.public_key}


def _show_words(console: Console, info: KeyInfo, words: str | None) -> None:
    console.print(f"key {info.fingerprint}" + (f" ({info.label})" if info.label else ""))
    if words is not None:
        console.print("Write these words down and keep them apart; whoever has them has the key:")
        listed = words.split()
        for start in range(0, len(listed), 6):
            console.print(
                "  " + "  ".join(f"{start + at + 1:2} {word}" for at, word in enumerate(listed[start : start + 6]))
            )
