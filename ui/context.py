"""What every tab is built with: the engine, what visitors may do, and a small cache."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from engine.data import datasets
from engine.data.datasets import Dataset
from engine.data.prepare import Prepared
from engine.data.quality.token_report import TokenReport
from engine.errors import DataError, ModelError, RunError
from engine.estimate.lengths import Lengths, lengths
from engine.model import catalog, hub, local
from engine.model.hub import HubPage
from engine.model.info import ModelInfo
from engine.process.downloads import Downloads
from engine.process.hub import look
from engine.runs.engine import Engine
from engine.runs.speed import Foresight
from engine.spec.run import DataSpec

KEPT = 50  # token reports remembered


def _key(model: str, prepared: Prepared, spec: DataSpec) -> str:
    return f"{model} {prepared.folder.name} {spec.model_dump_json()}"


def _uncut(spec: DataSpec) -> DataSpec:
    """The settings without the cut, which lengths do not depend on."""
    return spec.model_copy(update={"max_length": 32768})


class Context:
    """Shared by all visitors; holds nothing that belongs to one of them."""

    def __init__(self, engine: Engine, policy: Policy) -> None:
        self.engine = engine
        self.policy = policy
        self._models: dict[str, ModelInfo] = {}
        self._unusable: dict[str, str] = {}
        self.foresight = Foresight(engine)
        self.downloads = Downloads(engine.store)
        self._pages: dict[str, HubPage] = {}
        self._measured: dict[str, TokenReport] = {}
        self._reports: dict[
            str, TokenReport
        ] = {}  # the newest for these rows, whatever the longest example is
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def dataset(self, source: str) -> Dataset:
        """A dataset's card by its source; raises DataError."""
        return datasets.load(self.engine.store, source)

    def prepared(self, spec: DataSpec, tell: Callable[[str], None] = lambda _: None) -> Prepared:
        """What would be learned with these settings, and what is noticed; raises DataError."""
        with self._locks[spec.source]:  # two questions of one page wait for one answer
            return self.engine.prepare(spec, tell)

    def measure(self, model: str, prepared: Prepared, spec: DataSpec) -> TokenReport:
        """The rows' tokens, as the desk counts them; raises HoneError."""
        found = self.engine.desk.measure(model, prepared.rows(), spec)
        self._measured[_key(model, prepared, spec)] = found
        self._reports[_key(model, prepared, _uncut(spec))] = found
        for known in (self._measured, self._reports):
            while len(known) > KEPT:
                del known[next(iter(known))]
        return found

    def lengths(self, model: str, prepared: Prepared, spec: DataSpec) -> Lengths | None:
        """How long these rows are before any cut; None where nobody has counted yet."""
        found = self._reports.get(_key(model, prepared, _uncut(spec)))
        if found is None:
            return None
        return lengths(
            found.edges, found.counts, found.longest, found.learned / max(1, found.tokens)
        )

    def learned(self, model: str, prepared: Prepared, spec: DataSpec) -> int:
        """How many rows teach something, as far as their tokens are known; raises DataError where some must not be."""
        prepared.require_usable()
        found = self._measured.get(_key(model, prepared, spec))
        if found is None:
            return prepared.train
        if found.refused.rows and "refused" not in spec.fixes:
            raise DataError(
                f"{found.refused.rows:,} of the rows cannot be learned with this model. {found.refused.reason}"
            )
        return (
            prepared.train
            if found.measured < found.rows
            else prepared.train - found.lost - found.refused.rows
        )

    def model(self, source: str) -> ModelInfo:
        """What a base model is; the first time the desk is asked, which takes seconds. Raises HoneError."""
        self.check_model(source)
        if source not in self._models:
            try:
                info = self.engine.desk.inspect(source)
            except ModelError as error:
                self._unusable[source] = str(error)
                raise
            self._models[source] = info.model_copy(
                update={"name": self.name_of(source) or info.name}
            )
            self._unusable.pop(source, None)
        return self._models[source]

    def unusable(self, source: str) -> str:
        """Why a run cannot be started with a model: it could not be opened, or is not here; or nothing."""
        if name := local.hub_name(source):
            return local.NOT_HERE.format(name)
        return self._unusable.get(source, "")

    def known_model(self, source: str) -> ModelInfo | None:
        """The same at once, or None where nobody has asked yet."""
        return self._models.get(source)

    def opened(self) -> list[str]:
        """Folders that somebody opened by their path, and that are still there."""
        known = {"pocket", *(source for source, _ in self.model_choices())}
        return [
            one
            for one in list(self._models)
            if one not in known and not local.hub_name(one) and Path(one).is_dir()
        ]

    def part_names(self) -> list[str]:
        """What the linear layers of all models are called that somebody asked for."""
        return list(
            dict.fromkeys(
                part.name for info in list(self._models.values()) for part in info.adaptable
            )
        )

    def forget_model(self, source: str) -> None:
        """A model that has gone, or is another one now."""
        for known in (self._models, self._unusable):
            known.pop(source, None)

    def check_model(self, source: str) -> None:
        """Raise RunError for a model that this visitor may not name."""
        if name := local.hub_name(source):
            if catalog.known(name) is None:
                self.policy.require_download()
        elif source not in {known for known, _ in self.model_choices()}:
            self.policy.require_folders()

    def model_choices(self) -> list[tuple[str, str]]:
        """(source, label) of every base model found."""
        return [
            (source, self.name_of(source) or label)
            for source, label in local.available(self.engine.model_roots)
        ]

    def name_of(self, source: str) -> str:
        """owner/name of a model that came from the Hub; empty for any other."""
        about = hub.origin(local.place(source))
        return about.repo if about else ""

    # --- models that are not here yet ---

    def look(self, name: str) -> HubPage:
        """A model's page on the Hub, asked anew; raises HoneError."""
        self.policy.require_download()
        page = look(self.engine.store, name)
        self._pages[page.model.name] = page
        self.forget_model(local.HUB + page.model.name)
        return page

    def page(self, name: str) -> HubPage | None:
        """The page as it was when somebody last looked."""
        return self._pages.get(name)


class Policy(NamedTuple):
    """Permissions of everybody who reaches this app."""

    may_open_folders: bool  # name model folders of this machine
    may_download: bool  # ask the Hub for models, bring them here, remove them

    def require_folders(self) -> None:
        """Raise RunError where folders are closed."""
        if not self.may_open_folders:
            raise RunError(
                "Folders of this machine are closed in the public demo. Run Hone on your own machine."
            )

    def require_download(self) -> None:
        """Raise RunError where models are neither brought nor removed."""
        if not self.may_download:
            raise RunError(
                "The public demo downloads and removes no models. Run Hone on your own machine."
            )


LOCAL = Policy(may_open_folders=True, may_download=True)
DEMO = Policy(may_open_folders=False, may_download=False)
