"""The environment of child processes: secrets are for those alone that ask the Hub."""

from __future__ import annotations

import os
import re
from pathlib import Path

# What a variable is called that holds a secret, such as HF_TOKEN or AWS_SECRET_ACCESS_KEY.
SECRET_NAME = re.compile(
    r"TOKEN(?!IZERS)|SECRET|PASSW|PASSPHRASE|CREDENTIAL|API_?KEY"
    r"|(^|_)(KEYS?|AUTH|PAT|DSN)($|_)",
    re.IGNORECASE,
)
SECRET_VALUE = re.compile(r"://[^/@\s]+:[^/@\s]+@")  # an address with a password in it
HUB_SECRETS = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH"}
PROXIES = {"http_proxy", "https_proxy", "all_proxy"}
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")


def private_environment() -> dict[str, str]:
    """The environment without secrets: of trainers, readers and the desk, which need none."""
    return {key: value for key, value in os.environ.items() if not is_secret(key, value)}


def online_environment(cache: Path, token: bool = True) -> dict[str, str]:
    """Environment of a process that asks the Hub: online, no telemetry, a cache of our own.

    HF_TOKEN, HF_HOME (where ``hf auth login`` keeps its token) and HF_ENDPOINT pass through, as do
    proxies. Without ``token`` it has none, neither from a variable nor from a file.
    """
    passed = {
        key: value
        for key, value in os.environ.items()
        if not is_secret(key, value) or key.lower() in PROXIES or (token and key in HUB_SECRETS)
    }
    kept = {key: value for key, value in passed.items() if key not in OFFLINE}
    if not token:
        kept["HF_HUB_DISABLE_IMPLICIT_TOKEN"] = "1"
        kept["HF_TOKEN_PATH"] = os.devnull
    return kept | {
        "HF_HUB_CACHE": str(cache),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_SYMLINKS_WARNING": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",  # plain HTTP: its breaks are seen, and it needs no cache
        "HF_HUB_DOWNLOAD_TIMEOUT": "20",  # seconds without a byte
        "HF_HUB_ETAG_TIMEOUT": "10",
    }


def is_secret(name: str, value: str) -> bool:
    """Whether a variable looks like a secret, by its name or its value."""
    return bool(SECRET_NAME.search(name) or SECRET_VALUE.search(value))


def forget_secrets() -> None:
    """Take all secrets out of this process's own environment, for an app that strangers use."""
    for key in [key for key, value in os.environ.items() if is_secret(key, value)]:
        del os.environ[key]
