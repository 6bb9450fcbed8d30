"""A base model as others know it: its name, where they get it, and what its licence demands."""

from __future__ import annotations

from typing import NamedTuple

from engine.model import catalog, hub, local

POCKET = "pocket"
ASK_THE_MAKER = "Its licence is not known here: ask the maker of the base model."
_LLAMA = (
    "Whoever passes the model on gives a copy of the licence with it, shows 'Built with Llama', "
    "begins the name of a model made from it with 'Llama', and keeps to Meta's acceptable use "
    "policy."
)
# What the licences of the recommended models, and the commonest of others, demand.
DEMANDS = {
    "apache-2.0": "It allows any use. Whoever passes the model on keeps its licence and notices "
    "and says what was changed.",
    "mit": "It allows any use. Whoever passes the model on keeps its licence text and copyright "
    "notice.",
    "llama2": "Whoever passes the model on gives a copy of the licence with it and keeps to Meta's "
    "acceptable use policy. It may not be used to improve other language models.",
    "llama3.1": _LLAMA,
    "llama3.2": _LLAMA,
    "llama3.3": _LLAMA,
    "gemma": "Whoever passes the model on gives a copy of Google's terms of use with it, hands on "
    "their restrictions of use, and says that the model was changed.",
    "qwen-research": "It allows research and evaluation alone, no commercial use.",
    "cc-by-nc-4.0": "It allows no commercial use. Whoever passes the model on names its maker and "
    "says what was changed.",
    "cc-by-4.0": "It allows any use. Whoever passes the model on names its maker and says what was "
    "changed.",
}


class NamedBase(NamedTuple):
    """A base model, without any path of this machine."""

    name: str  # owner/name where it came from the Hub, pocket, or the name of its folder
    on_hub: bool = False
    revision: str = ""  # the commit of the Hub that was downloaded
    licence: str = ""  # as the Hub calls it; empty where it is not known

    @property
    def shown(self) -> str:
        """Its name for people."""
        return "Pocket model" if self.name == POCKET else self.name

    @property
    def in_sentence(self) -> str:
        """Its name within a sentence."""
        return "the pocket model" if self.name == POCKET else self.name

    @property
    def terms(self) -> str:
        """Its licence and what that demands, in sentences."""
        if not self.licence:
            return ASK_THE_MAKER
        demand = DEMANDS.get(self.licence.lower(), "Read it before you pass the model on.")
        return f"The licence of the base model is {self.licence}. {demand}"


def name_base(source: str) -> NamedBase:
    """The name of a base model by its source; its folder may be gone."""
    if source == POCKET:
        return NamedBase(POCKET, licence="apache-2.0")
    folder = local.model_path(source)
    origin = hub.read_origin(folder)
    if name := local.hub_name(source) or (origin.repo if origin else ""):
        known = catalog.known_model(name)
        licence = (origin.licence if origin else "") or (known.licence if known else "")
        return NamedBase(name, True, origin.revision if origin else "", licence)
    return NamedBase(folder.name)
