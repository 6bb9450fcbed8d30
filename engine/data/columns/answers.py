"""Tables of questions and answers, by the names of their columns."""

from __future__ import annotations

import re
from itertools import chain
from typing import Any

from engine.data.columns import names as known
from engine.data.columns.cells import is_blank
from engine.data.columns.contents import (
    all_decimals,
    all_integers,
    are_own_texts,
    are_references,
    holds_labels,
)
from engine.data.columns.marks import add_mark, name_words
from engine.data.columns.table import Columns
from engine.data.schema import Schema
from engine.errors import DataError
from engine.spec.run import Shape

CHOICE_LENGTH = 3  # letters of an answer that names one of several choices
ENDS_COMPARED = 200  # letters
DECISIONS = {"accept", "reject", "ignore"}  # what Prodigy writes under "answer"


def find_answers(table: Columns) -> Schema | None:
    """A prompt and its answer, by the names of two columns."""
    if pair := _choose_pair(table):
        prompt, answer = (table.inside(table.names[name]) for name in pair)
        lists = [one for one in table.filled(table.names[pair[1]]) if isinstance(one, list)]
        instances = list(chain(*lists))
        if instances and all(isinstance(one, dict) and "output" in one for one in instances):
            answer = table.names[pair[1]]
        return _complete(table, pair[0], _other_prompt(table, prompt, answer), answer)
    if table.has("instruction", "instances"):
        roles = {"prompt": table.names["instruction"], "completion": table.names["instances"]}
        reason = "Every row has an instruction with its 'instances' of input and output."
        return Schema(Shape.ALPACA, reason, roles)
    return None


def _choose_pair(table: Columns) -> tuple[str, str] | None:
    """The first known pair of names, but no category where another pair has what is asked."""
    filled: list[tuple[str, str]] = []
    for pair in filter(lambda pair: table.has(*pair), known.ANSWER_PAIRS):
        prompt, answer = (table.names[name] for name in pair)
        answers = set(table.texts(answer))
        # What an annotator decided about a row answers nothing.
        if (table.rows and not table.filled(prompt)) or (answers and answers <= DECISIONS):
            continue
        is_label = pair == ("text", "target") and _may_be_labels(table, answer)
        if is_label or _say_nothing(table, prompt, answer):
            continue
        if not _ask_nothing(table, prompt):
            return _with_instruction(table, *pair)
        filled.append(pair)
    return filled[0] if filled else None


def _may_be_labels(table: Columns, column: str) -> bool:
    """Whether a column holds a few words, or numbers."""
    texts = list(map(str, table.filled(column)))
    return holds_labels(texts, len(table.rows)) or all_decimals(texts) or all_integers(texts)


def _with_instruction(table: Columns, prompt: str, answer: str) -> tuple[str, str]:
    """The pair; an input is asked with its instruction, however few of them there are."""
    names = (name for name in known.INSTRUCTION_COLUMNS if name in table.names)
    asked = (name for name in names if any(map(str.strip, table.texts(table.names[name]))))
    return next(asked, prompt) if prompt in known.INPUT_COLUMNS else prompt, answer


def _ask_nothing(table: Columns, prompt: str) -> bool:
    """Whether a column is a category, or the same in every row of several."""
    texts = table.texts(prompt)
    return holds_labels(texts, len(table.rows)) or (len(texts) > 1 and len(set(texts)) == 1)


def _say_nothing(table: Columns, prompt: str, answer: str) -> bool:
    """Whether two columns are a name or labels and labels, while a third one holds texts."""
    asked, said = table.texts(prompt), table.texts(answer)
    labels = holds_labels(said, len(table.rows)) and not are_own_texts(asked)
    named = prompt.strip().lower() in ("human", "user") or holds_labels(asked, len(table.rows))
    named = named or are_references(asked)
    beside = {prompt.strip().lower(), *known.INPUT_COLUMNS, *known.PROMPT_COLUMNS}
    rest = (table.texts(column) for name, column in table.names.items() if name not in beside)
    return labels and named and any(map(are_own_texts, rest))


def _complete(table: Columns, prompt_name: str, prompt: str, answer: str) -> Schema:
    """The schema of a prompt and an answer, with the columns that belong to them."""
    within = table if prompt in table.columns else table.with_nested()
    roles = {"prompt": prompt, "completion": answer} | within.system_role()
    reason = f"Every row has the columns '{prompt}' and '{answer}'."
    if history := table.history_column(*roles.values()):
        roles["history"] = history
        reason += f" '{history}' holds the turns before."
    extra = table.input_column(prompt, *roles.values())
    if extra and table.texts(extra) and not _repeats(table, extra, answer):
        roles["input"] = extra
    alpaca = prompt_name == "instruction" or "input" in roles
    found = Schema(Shape.ALPACA if alpaca else Shape.COMPLETION, reason, roles)
    if _repeats(table, prompt, answer):  # the model would copy it
        reason = (
            f"'{prompt}' ends with the answer ('{answer}'), so it cannot be the question. It is "
            "taken as text, and the model learns all of it."
        )
        return Schema(Shape.TEXT, reason, {"text": prompt}).doubted()
    if choices := _choices_beside(table, roles):
        return found.doubted(f"But '{choices}' holds choices that the model would not see.")
    if unread := _unread_context(table, roles):
        return found.doubted(f"But '{unread}' holds no text that could be asked with it.")
    corrected = _corrected_beside(table, roles)
    if rival := corrected or _other_answer_beside(table, roles):
        words = f"'{rival}' is taken as the answer to '{prompt}'."
        other = found._replace(reason=words, roles=roles | {"completion": rival})
        what = "the answer as it was corrected" if corrected else "the answer as well"
        return found.doubted(f"But '{rival}' could be {what}.", other)
    if second := table.second_answer(answer):
        # As in older files of LLaMA-Factory.
        words = f"'{answer}' is taken as the better answer, '{second}' as the worse one."
        rest = {role: column for role, column in roles.items() if role != "completion"}
        other = Schema(Shape.PREFERENCE, words, {"chosen": answer, "rejected": second} | rest)
        doubt = f"But there are several answers, of which only the first ('{answer}') is learned."
        return found.doubted(doubt, other)
    return add_mark(table, found)


def _corrected_beside(table: Columns, roles: dict[str, str]) -> str:
    """A column with answers of its own whose name says that they were put right."""
    for name, column in table.names.items():
        corrected = name_words(name) & known.CORRECTED_WORDS and column not in roles.values()
        if corrected and are_own_texts(table.texts(column)):
            return column
    return ""


def _other_answer_beside(table: Columns, roles: dict[str, str]) -> str:
    """Another column with an answer of its own to each row, as files of evaluations have it."""
    names = [name for name in table.names if _may_answer(name)]
    if "answer" in roles["completion"].lower() and "reference" in names:
        names.remove("reference")  # where the answer was found
    for column in map(table.names.__getitem__, names):
        texts = table.texts(column)
        if column in roles.values() or len(texts) < 0.5 * len(table.rows):
            continue
        within = any(table.lies_within(column, other) for other in roles.values())
        if are_own_texts(texts) and not within:
            return column
    return ""


def _may_answer(name: str) -> bool:
    return name in known.REPLY_COLUMNS or bool(name_words(name) & known.REASON_WORDS)


def _unread_context(table: Columns, roles: dict[str, str]) -> str:
    """A context that is no text, such as titles with sentences; empty if there is none."""
    contexts = (table.names[name] for name in known.INPUT_COLUMNS if name in table.names)
    rest = (one for one in contexts if one not in roles.values() and table.filled(one))
    return next((one for one in rest if not table.texts(table.inside(one))), "")


def _other_prompt(table: Columns, prompt: str, answer: str) -> str:
    """The prompt, or another column that is asked where the prompt holds the answer."""
    if not _repeats(table, prompt, answer):
        return prompt
    names = (table.names[name] for name in known.PROMPT_COLUMNS if name in table.names)
    others = (table.inside(name) for name in names)
    usable = (one for one in others if one not in (prompt, answer) and table.texts(one)
              and not _repeats(table, one, answer))  # fmt: skip
    return next(usable, prompt)


def _repeats(table: Columns, column: str, answer: str) -> bool:
    """Whether the texts of a column end with the answers of their rows, sentences nearly all."""
    ends = rows = 0
    for text, said in zip(table.values(column), table.values(answer), strict=True):
        if not isinstance(text, str) or not isinstance(said, str) or is_blank(said):
            continue
        rows += 1
        words, end = text.rstrip(), said.strip()[-ENDS_COMPARED:]
        ends += len(words) > len(said.strip()) and words.endswith(end)
    return rows > 0 and ends > 0.8 * rows and are_own_texts(table.texts(answer))


def _choices_beside(table: Columns, roles: dict[str, str]) -> str:
    """A column with choices, one of which the answer names by its number or letter."""
    answers = table.texts(roles["completion"])
    if not answers or any(len(one.strip()) > CHOICE_LENGTH for one in answers):
        return ""
    named = {one.strip().lower() for one in answers}
    rest = [column for column in table.columns if column not in roles.values()]
    of_letters = [column for column in rest if re.split(r"[\W_]+", column.lower())[-1] in named]
    if len(of_letters) > 1:  # 'A', 'B' or 'option_a', 'option_b'
        return of_letters[0]
    keyed = (one for one in rest if any(map(named.__contains__, _keys_in(table.filled(one)))))
    listed = (one for one in rest
              if table.is_list(one) or one.strip().lower() in known.CHOICE_COLUMNS)  # fmt: skip
    return next(chain(keyed, listed), "")


def _keys_in(values: list[Any]) -> set[str]:
    """The keys of objects, in lower case: {"A": "one", "B": "two"}."""
    return {str(key).lower() for value in values if isinstance(value, dict) for key in value}


def find_segments(name: str, table: Columns) -> Schema | None:
    """A part that is read and one that is learned (axolotl's template-free "segments").

    Raises DataError where a row has other parts.
    """
    column = next((one for one in table.columns if _holds_segments(table.filled(one))), "")
    if not column:
        return None
    if any([one["label"] for one in value] != [False, True] for value in table.filled(column)):
        raise DataError(
            f"'{name}': '{column}' holds texts in parts, of which some are learned and others not "
            "(axolotl's segments). Hone learns answers: put what is asked into 'prompt' and what "
            "is learned into 'completion', without the marks of a chat format; or the turns of a "
            "conversation into 'messages', with \"train\": false in those that are not learned."
        )
    reason = (
        f"Every row of '{column}' has a part that is read and one that is learned. They are taken "
        "as the question and the answer, in the chat format of the model."
    )
    roles = {"prompt": f"{column}[0].text", "completion": f"{column}[1].text"}
    return Schema(Shape.COMPLETION, reason, roles).doubted()


def _holds_segments(values: list[Any]) -> bool:
    lists = bool(values) and all(isinstance(value, list) for value in values)
    return lists and all(map(_is_segment, chain(*values)))


def _is_segment(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    return isinstance(value.get("text"), str) and isinstance(value.get("label"), bool)
