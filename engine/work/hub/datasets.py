"""What a dataset of the Hugging Face Hub holds: its configs, splits, licence and size.

Nothing of the data is downloaded here (engine.work.hub.dataset_rows does that). Runs in a process
that was started with ``engine.process.environment.online_environment``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from huggingface_hub import HfApi, errors

from engine.data.hub import HubInfo
from engine.errors import DataError
from engine.work.hub import dataset_card
from engine.work.hub.errors import DATASET, PAGE_SECONDS, explained_errors, open_hub_page
from engine.work.hub.models import page_licence

FILE_KINDS = "Parquet, JSONL, JSON, CSV, TSV or text"
# The branch where the Hub keeps its own copy of a dataset as Parquet.
PARQUET_COPY = "refs/convert/parquet"
PROGRAM_NOTE = (
    "The dataset's program was not run; its rows come from the Hub's Parquet copy "
    f"({PARQUET_COPY})."
)


class HubDataset(NamedTuple):
    """A dataset at one commit: what is read cannot change in the meantime."""

    info: HubInfo
    sizes: dict[str, int]  # bytes of all its files
    configs: dict[str, dataset_card.DatasetConfig]


def describe_hub_dataset(name: str) -> HubInfo:
    """A dataset's configs, splits, licence and size; raises DataError."""
    with explained_errors(DATASET, name):
        return open_dataset(name).info


def open_dataset(name: str) -> HubDataset:
    """What a dataset's page and list of files say; raises DataError and the library's errors."""
    api = HfApi()
    page: Any = open_hub_page(DATASET, api.dataset_info, name)
    name = page.id  # an old name leads to the new one
    card = page.card_data.to_dict() if page.card_data else {}
    is_program = f"{name.rpartition('/')[2]}.py" in _file_sizes(page) and not card.get("configs")
    source = _parquet_copy(api, name) if is_program else page
    sizes = _file_sizes(source)
    try:
        read = dataset_card.parquet_copy_configs if is_program else dataset_card.card_configs
        configs = read(card, sizes)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise DataError(
            f"The card of '{name}' does not say plainly which files it has. Choose another one."
        ) from error
    if not any(one.splits for one in configs.values()):
        raise DataError(
            f"The dataset '{name}' has no files that Hone reads ({FILE_KINDS}), or its card names "
            "files that are not in it. Choose another one."
        )
    info = HubInfo(
        name=name,
        revision=source.sha,
        splits={
            key: {split: config.rows.get(split) for split in config.splits}
            for key, config in configs.items()
        },
        default=dataset_card.default_config(card, configs),
        licence=page_licence(page),
        gated=bool(page.gated),
        size=sum(sizes[path] for path in dataset_card.data_files(sizes)) or None,
        notes=[PROGRAM_NOTE] if is_program else [],
    )
    return HubDataset(info, sizes, configs)


def _parquet_copy(api: HfApi, name: str) -> Any:
    """The page of the Hub's own copy of a dataset that comes as a program, which is never run."""
    try:
        return api.dataset_info(
            name, revision=PARQUET_COPY, files_metadata=True, timeout=PAGE_SECONDS
        )
    except errors.RevisionNotFoundError:
        raise DataError(
            f"The dataset '{name}' is a program that downloads its data, and Hone runs no programs "
            f"of others. The Hub keeps no Parquet copy of it (branch {PARQUET_COPY}). Look for "
            "another dataset with the same data."
        ) from None


def _file_sizes(page: Any) -> dict[str, int]:
    return {one.rfilename: one.size or 0 for one in page.siblings or []}
