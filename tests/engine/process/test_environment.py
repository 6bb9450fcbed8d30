"""What children learn of the app's environment: no secrets, but for those that ask the Hub."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.process.environment import forget_secrets, online_environment, private_environment

SECRETS = {
    "HF_TOKEN": "hf_1",
    "HUGGING_FACE_HUB_TOKEN": "hf_2",
    "AWS_SECRET_ACCESS_KEY": "a",
    "OPENAI_API_KEY": "sk",
    "WANDB_API_KEY": "w",
    "GITHUB_PAT": "g",
    "DB_PASSWORD": "p",
    "SSH_AUTH_SOCK": "/tmp/agent",
    "DATABASE_URL": "postgres://hone:secret@db/hone",
    "PIP_INDEX_URL": "https://me:secret@example.org/simple",
    "HTTPS_PROXY": "http://me:secret@proxy:3128",
}
PLAIN = {
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "0",
    "HF_ENDPOINT": "https://huggingface.co",
    "KEYBOARD": "de",
    "MONKEY": "yes",
    "PATHOLOGY": "x",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (SECRETS | PLAIN).items():
        monkeypatch.setenv(name, value)


def test_who_works_on_files_learns_no_secret() -> None:
    found = private_environment()
    assert not SECRETS.keys() & found.keys() and PLAIN.items() <= found.items()


def test_who_asks_the_hub_learns_the_hubs_token_and_the_proxy_alone() -> None:
    found = online_environment(Path("cache"))
    known = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HTTPS_PROXY"}
    assert SECRETS.keys() & found.keys() == known and PLAIN.items() <= found.items()


def test_a_demo_has_no_token_in_any_child(monkeypatch: pytest.MonkeyPatch) -> None:
    found = online_environment(Path("cache"), token=False)
    assert not {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"} & found.keys()
    assert found["HF_HUB_DISABLE_IMPLICIT_TOKEN"] == "1"
    forget_secrets()
    assert not SECRETS.keys() & online_environment(Path("cache")).keys()
