"""What every tab is built with: the engine, what visitors may do, and a small cache."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable

from engine import data, models
from engine.data import Dataset
from engine.errors import ModelError
from engine.jobs import Engine
from engine.models import ModelInfo
from engine.policy import Policy
from engine.prepare import Prepared
from engine.spec import DataSpec


class Context:
    """Shared by all visitors; holds nothing that belongs to one of them."""

    def __init__(self, engine: Engine, policy: Policy) -> None:
        self.engine = engine
        self.policy = policy
        self._models: dict[str, ModelInfo] = {}
        self._unusable: dict[str, str] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def dataset(self, source: str) -> Dataset:
        """A dataset's card by its source; raises DataError."""
        return data.load(self.engine.store, source)

    def prepared(self, spec: DataSpec, tell: Callable[[str], None] = lambda _: None) -> Prepared:
        """What would be learned with these settings, and what is noticed; raises DataError."""
        with self._locks[spec.source]:  # two questions of one page wait for one answer
            return self.engine.prepare(spec, tell)

    def model(self, source: str) -> ModelInfo:
        """What a base model is; the first time the desk is asked, which takes seconds. Raises HoneError."""
        self.check_model(source)
        if source not in self._models:
            try:
                self._models[source] = self.engine.desk.inspect(source)
            except ModelError as error:
                self._unusable[source] = str(error)
                raise
            self._unusable.pop(source, None)
        return self._models[source]

    def unusable(self, source: str) -> str:
        """Why a model could not be opened when it was last tried, or nothing."""
        return self._unusable.get(source, "")

    def known_model(self, source: str) -> ModelInfo | None:
        """The same at once, or None where nobody has asked yet."""
        return self._models.get(source)

    def check_model(self, source: str) -> None:
        """Raise RunError for a folder that this visitor may not name."""
        if source not in {known for known, _ in self.model_choices()}:
            self.policy.require_folders()

    def model_choices(self) -> list[tuple[str, str]]:
        """(source, label) of every base model found."""
        return models.available(self.engine.model_roots)
