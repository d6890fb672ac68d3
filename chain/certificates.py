"""How a connection to a node is encrypted: the private certificates of an own node, or public authorities.

The rule guarded here: verification is never off. An own node is known by the authority of its CHIA_ROOT, a public
endpoint by the authorities of this machine, or by the one file that the settings name.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from chia.server.server import ssl_context_for_client
from chia.server.ssl_context import private_ssl_ca_paths
from chia.util.config import load_config

from chain.errors import WrongCertificates
from chain.settings import NodeSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFiles:
    """Where a CHIA_ROOT keeps what a client of its node shows: the authority's pair, and a pair of its own."""

    authority: Path
    authority_key: Path
    own: Path
    own_key: Path


def client_certificates(settings: NodeSettings) -> ssl.SSLContext | None:
    """What the connection trusts and shows, or None for this machine's authorities; raises WrongCertificates."""
    if not settings.url.startswith("https:"):
        return None
    if settings.ca_file is not None:
        return _trusting(Path(settings.ca_file).expanduser())
    if settings.chia_root is None:
        return None
    files = certificate_files(settings)
    try:
        return ssl_context_for_client(files.authority, files.authority_key, files.own, files.own_key)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise _unusable(Path(settings.chia_root), error) from error


def certificate_files(settings: NodeSettings) -> CertificateFiles:
    """The files of the settings' CHIA_ROOT, by its own configuration; raises WrongCertificates."""
    assert settings.chia_root is not None
    root = Path(settings.chia_root).expanduser()
    if not (root / "config" / "config.yaml").is_file():
        raise WrongCertificates(
            f"{root} holds no config/config.yaml: expected a CHIA_ROOT such as ~/.chia/{settings.network}"
        )
    try:
        config = load_config(root, "config.yaml", exit_on_error=False)
        authority, authority_key = private_ssl_ca_paths(root, config)
        own, own_key = root / config["daemon_ssl"]["private_crt"], root / config["daemon_ssl"]["private_key"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unusable(root, error) from error
    return CertificateFiles(authority=authority, authority_key=authority_key, own=own, own_key=own_key)


def _unusable(root: Path, error: Exception) -> WrongCertificates:
    return WrongCertificates(
        f"the certificates in {root} cannot be used ({str(error)[:160] or type(error).__name__}): "
        "run `chia init --fix-ssl-permissions` there, or name the CHIA_ROOT of the node that is asked"
    )


def _trusting(file: Path) -> ssl.SSLContext:
    """A context that trusts the authorities of this file and no other, names checked."""
    try:
        return ssl.create_default_context(cafile=str(file))
    except (OSError, ssl.SSLError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it holds no certificate"
        raise WrongCertificates(
            f"the file of authorities {file} cannot be used ({reason}): expected certificates in PEM; "
            "see CARBON_NODE_CA_FILE"
        ) from error
