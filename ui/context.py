"""What every tab is built with: the engine, what visitors may do, and what is known already."""

from __future__ import annotations

import copy
import threading
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.data import datasets
from engine.data.datasets import Dataset
from engine.data.goal import ANY_TASK, with_decided_goal
from engine.data.prepared import Prepared
from engine.data.quality.token_report import TokenReport
from engine.errors import ModelError, Problems, RunError
from engine.estimate.lengths import Lengths, lengths_of_report
from engine.model import catalog, hub, local
from engine.model.hub import HubPage
from engine.model.info import ModelInfo
from engine.process import oneshot
from engine.process.downloads import Downloads
from engine.process.hub import look_up_model
from engine.runs.engine import Engine
from engine.runs.plan import Known, Plan
from engine.spec.run import DataSpec, RunSpec
from engine.text import OnProgress
from ui.access.uploads import Uploads
from ui.access.visitor import LOCAL_VISITOR, NOT_ADMITTED, Visitor, policy_of, visitor_of

REPORTS_KEPT = 50  # token reports in memory


def _report_key(model: str, prepared: Prepared, spec: DataSpec) -> str:
    return f"{model} {prepared.folder.name} {spec.model_dump_json()}"


def _uncut(spec: DataSpec) -> DataSpec:
    """The settings without the longest length, which row lengths do not depend on."""
    return spec.model_copy(update={"max_length": 32768})


class Context:
    """What handlers work with. The page is built with the one that all visitors share.

    A handler gets a visitor's own view (``for_visitor``): his engine, which reaches his files
    alone, and what he may do. What is known of models and rows is shared.
    """

    def __init__(self, engine: Engine, uploads: Uploads | None = None) -> None:
        self.engine = engine
        self.visitor = LOCAL_VISITOR
        limits = engine.store.limits
        self.policy = policy_of(limits.mode, self.visitor)
        self.uploads = uploads or Uploads(engine.store.root / "tmp", limits)
        self._models: dict[str, ModelInfo] = {}
        self._unusable: dict[str, str] = {}
        self.downloads = Downloads(engine.store)
        self._pages: dict[str, HubPage] = {}
        self._measured: dict[str, TokenReport] = {}
        # The newest for these rows, whatever their longest length.
        self._reports: dict[str, TokenReport] = {}
        # The desk counts for one page at a time; others may have asked for the same rows.
        self._counting = threading.Lock()
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def for_visitor(self, visitor: Visitor) -> Context:
        """The view of one visitor."""
        view = copy.copy(self)
        view.visitor = visitor
        view.policy = policy_of(self.engine.store.limits.mode, visitor)
        if visitor.owner != self.engine.store.owner:
            view.engine = self.engine.for_owner(visitor.owner)
        return view

    def for_request(self, request: Any) -> Context:
        """The view of who has sent a request; raises RunError where nobody was let in.

        Without a request, which is a call from within Hone, it is the owner's of a local workspace.
        """
        if request is None and self.engine.store.limits.mode == "local":
            return self
        if request is None:
            raise RunError(NOT_ADMITTED)
        return self.for_visitor(visitor_of(request))

    def load_dataset(self, source: str) -> Dataset:
        """A dataset's card by its source; raises DataError."""
        return datasets.load_dataset(self.engine.store, source)

    def prepare(
        self,
        spec: DataSpec,
        on_progress: OnProgress = lambda _: None,
        stop: threading.Event | None = None,
    ) -> Prepared:
        """The rows for training with these settings, and findings; raises DataError."""
        # Two requests of one page share one answer.
        with self._locks[f"{self.visitor.owner} {spec.source}"]:
            return oneshot.prepare_rows(self.engine.store, spec, on_progress, stop)

    def count_tokens(self, model: str, prepared: Prepared, spec: DataSpec) -> TokenReport:
        """The tokens of the rows, counted by the desk and remembered; raises HoneError."""
        self.check_model(model)
        with self._counting:
            known = self.known_tokens(model, prepared, spec)
            return known or self._count_tokens(model, prepared, spec)

    def known_tokens(self, model: str, prepared: Prepared, spec: DataSpec) -> TokenReport | None:
        """The tokens of the rows if they are counted, and this visitor may name the model."""
        with suppress(RunError):
            self.check_model(model)
            spec = self.decided_spec(model, prepared, spec)
            return self._measured.get(_report_key(model, prepared, spec))
        return None

    def decided_spec(self, model: str, prepared: Prepared, spec: DataSpec) -> DataSpec:
        """The settings with what Automatic stands for with these rows and this model."""
        info = self._models.get(model)
        return with_decided_goal(spec, prepared, info.tasks if info else ANY_TASK)

    def _count_tokens(self, model: str, prepared: Prepared, spec: DataSpec) -> TokenReport:
        spec = self.decided_spec(model, prepared, spec)
        found = self.engine.desk.count_tokens(model, prepared.train_rows(), spec)
        self._measured[_report_key(model, prepared, spec)] = found
        self._reports[_report_key(model, prepared, _uncut(spec))] = found
        for known in (self._measured, self._reports):
            while len(known) > REPORTS_KEPT:
                del known[next(iter(known))]
        return found

    def known_lengths(self, model: str, prepared: Prepared, spec: DataSpec) -> Lengths | None:
        """The lengths of these rows before any cut; None until they are counted."""
        spec = self.decided_spec(model, prepared, spec)
        return lengths_of_report(self._reports.get(_report_key(model, prepared, _uncut(spec))))

    def known(self, spec: RunSpec, wait: bool = False) -> Known:
        """What is known about a run's model and rows; ``wait`` inspects an unknown model first."""
        problems, source = Problems(), spec.model.source
        info, prepared, tokens, row_lengths = self.known_model(source), None, None, None
        with problems.collect():
            self.check_model(source)
            if wait:
                local.checked_folder(source)
                info = self.load_model(source)
            elif why := self.why_unusable(source):
                raise ModelError(why)
        with problems.collect():
            prepared = self.prepare(spec.data)
        if prepared:
            tokens = self.known_tokens(source, prepared, spec.data)
            row_lengths = self.known_lengths(source, prepared, spec.data)
        return Known(tuple(problems.found), prepared, info, tokens, row_lengths)

    def plan(self, spec: RunSpec, wait: bool = False) -> Plan:
        """What a run would do, and its problems; ``wait`` inspects an unknown model first."""
        return self.engine.plan(spec, self.known(spec, wait))

    def load_model(self, source: str) -> ModelInfo:
        """A base model's description; the first time it takes seconds. Raises HoneError."""
        self.check_model(source)
        if source not in self._models:
            try:
                info = self.engine.desk.inspect_model(source)
            except ModelError as error:
                self._unusable[source] = str(error)
                raise
            name = self.hub_name_of(source) or info.name
            self._models[source] = info.model_copy(update={"name": name})
            self._unusable.pop(source, None)
        return self._models[source]

    def why_unusable(self, source: str) -> str:
        """Why no run can start with this model: not opened or not downloaded; empty if it can."""
        if name := local.hub_name(source):
            return local.NOT_DOWNLOADED.format(name)
        return self._unusable.get(source, "")

    def known_model(self, source: str) -> ModelInfo | None:
        """A base model's description if it is loaded already, and this visitor may name it."""
        if found := self._models.get(source):
            with suppress(RunError):
                self.check_model(source)
                return found
        return None

    def opened_folders(self) -> list[str]:
        """Model folders that were opened by their path and still exist."""
        if not self.policy.may_open_folders:
            return []
        known = {"pocket", *(source for source, _ in self.model_choices())}
        return [
            one
            for one in list(self._models)
            if one not in known and not local.hub_name(one) and Path(one).is_dir()
        ]

    def linear_layer_names(self) -> list[str]:
        """The names of the adaptable linear layers of all loaded models."""
        models = list(self._models.values())
        return list(dict.fromkeys(part.name for info in models for part in info.adaptable))

    def forget_model(self, source: str) -> None:
        """Forget a model that was deleted or replaced."""
        for known in (self._models, self._unusable):
            known.pop(source, None)
        for key in [key for key in self._measured if key.startswith(f"{source} ")]:
            del self._measured[key]

    def check_model(self, source: str) -> None:
        """Raise RunError for a model that this visitor may not name."""
        if self.policy.may_open_folders and self.policy.may_download:
            return
        if name := local.hub_name(source):
            if catalog.known_model(name) is None:
                self.policy.require_download()
        elif source not in {known for known, _ in self.model_choices()}:
            self.policy.require_folders()

    def model_choices(self) -> list[tuple[str, str]]:
        """(source, label) of every base model found."""
        return [
            (source, self.hub_name_of(source) or label)
            for source, label in local.list_models(self.engine.model_roots)
        ]

    def hub_name_of(self, source: str) -> str:
        """owner/name of a model that came from the Hub; empty for any other."""
        about = hub.read_origin(local.model_path(source))
        return about.repo if about else ""

    # --- models on the Hub ---

    def refresh_hub_page(self, name: str) -> HubPage:
        """Fetch a model's page from the Hub; raises HoneError."""
        self.policy.require_download()
        page = look_up_model(self.engine.store, name)
        self._pages[page.model.name] = page
        self.forget_model(local.HUB_PREFIX + page.model.name)
        return page

    def known_hub_page(self, name: str) -> HubPage | None:
        """The page as it was last fetched, for those who may fetch it: the model may be private."""
        return self._pages.get(name) if self.policy.may_download else None
