"""The corpus of a sweep: embedded, from a file or downloaded, and stored for the workers."""

import hashlib
from pathlib import Path

import requests

from sweep.config.schema import Settings
from sweep.config.validate import ConfigError
from sweep.models import corpus
from sweep.storage.atomic import write_bytes

TIMEOUT = (5.0, 60.0)
"""Seconds to connect, and between two parts of a response."""


def needs_text(settings: Settings) -> bool:
    """Return whether the sweep reads the corpus."""
    return settings.model_section.reads_text or settings.source.family == "text"


def fetch(settings: Settings) -> str | None:
    """Return the text of a sweep that needs one, downloaded if necessary.

    Raises ConfigError if it is unavailable, not UTF-8 text, or not the expected text (SHA-256).
    """
    if not needs_text(settings):
        return None
    wanted = settings.corpus
    if wanted.path is None:
        return corpus.embedded()
    path = Path(wanted.path)
    if not path.exists():
        if wanted.url is None:
            raise ConfigError(f"corpus.path: got {wanted.path}; allowed: an existing text file")
        _download(wanted.url, path, wanted.sha256)
    try:
        content = path.read_bytes()
        text = content.decode()
        corpus.alphabet(text)
    except UnicodeDecodeError:
        raise ConfigError(f"corpus.path: {path} is not UTF-8 text") from None
    except OSError as error:
        raise ConfigError(f"corpus.path: {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"corpus.path: {path}: {error}") from None
    digest = hashlib.sha256(content).hexdigest()
    if wanted.sha256 is not None and digest != wanted.sha256.lower():
        raise ConfigError(
            f"corpus.path: {path} has SHA-256 {digest}; allowed: {wanted.sha256}; "
            "remove the file to download it again, or set corpus.sha256"
        )
    return text


def keep(folder: Path, text: str) -> None:
    """Store a text where workers find it by its digest. Raises OSError if that fails."""
    path = folder / "texts" / f"{corpus.digest(text)}.txt"
    if path.exists() and _read(path) == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, text.encode())


def find(folder: Path, digest: str) -> str:
    """Return the text with this digest. Raises RuntimeError if it is missing or has changed."""
    path = folder / "texts" / f"{digest}.txt"
    text = _read(path)
    if text is None or corpus.digest(text) != digest:
        raise RuntimeError(
            f"the corpus {path} is missing or has been changed; start the sweep again"
        )
    return text


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return None


def _download(url: str, path: Path, sha256: str | None) -> None:
    remedy = f"put the text at {path.absolute()} yourself, or set corpus.path"
    try:
        answer = requests.get(url, timeout=TIMEOUT)
        answer.raise_for_status()
    except requests.RequestException as error:
        reason = type(error).__name__
        raise ConfigError(f"corpus.url: {url} cannot be downloaded ({reason}); {remedy}") from None
    digest = hashlib.sha256(answer.content).hexdigest()
    if sha256 is not None and digest != sha256.lower():
        raise ConfigError(
            f"corpus.url: {url} returned a text with SHA-256 {digest}; expected {sha256}; {remedy}"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, answer.content)
    except OSError as error:
        raise ConfigError(f"corpus.path: {path} cannot be written: {error.strerror}") from None
