"""Tables of questions and answers, by the names of their columns."""

from __future__ import annotations

import re

from engine.data import column_names as known
from engine.data.columns.cells import is_blank
from engine.data.columns.contents import are_own_texts, holds_labels
from engine.data.columns.marked import add_mark
from engine.data.columns.table import Columns
from engine.data.schema import Schema
from engine.spec.run import Shape

CHOICE_LENGTH = 3  # letters of an answer that names one of several choices
ENDS_COMPARED = 200  # letters
DECISIONS = {"accept", "reject", "ignore"}  # what Prodigy writes under "answer"


def find_answers(table: Columns) -> Schema | None:
    """A prompt and its answer, by the names of two columns."""
    if pair := _choose_pair(table):
        prompt, answer = (table.inside(table.names[name]) for name in pair)
        if _has_instances(table, pair[1]):
            answer = table.names[pair[1]]
        return _complete(table, pair[0], _other_prompt(table, prompt, answer), answer)
    if table.has("instruction", "instances"):
        roles = {"prompt": table.names["instruction"], "completion": table.names["instances"]}
        reason = "Every row has an instruction with its 'instances' of input and output."
        return Schema(Shape.ALPACA, reason, roles)
    return None


def _choose_pair(table: Columns) -> tuple[str, str] | None:
    """The first known pair of names, but no category where another pair has what is asked."""
    pairs = [
        pair for pair in known.ANSWER_PAIRS
        if table.has(*pair) and not _only_decides(table, table.names[pair[1]])
    ]  # fmt: skip
    filled = [pair for pair in pairs if table.filled(table.names[pair[0]]) or not table.rows]
    asking = (pair for pair in filled
              if not holds_labels(table.texts(table.names[pair[0]]), len(table.rows)))  # fmt: skip
    return next(asking, filled[0] if filled else None)


def _only_decides(table: Columns, column: str) -> bool:
    """Whether a column says what an annotator decided about a row, and answers nothing."""
    found = set(table.texts(column))
    return bool(found) and found <= DECISIONS


def _has_instances(table: Columns, name: str) -> bool:
    values = table.filled(table.names[name])
    lists = [value for value in values if isinstance(value, list) and value]
    return bool(lists) and all(isinstance(one, dict) and "output" in one
                               for value in lists for one in value)  # fmt: skip


def _complete(table: Columns, prompt_name: str, prompt: str, answer: str) -> Schema:
    """The schema of a prompt and an answer, with the columns that belong to them."""
    roles = {"prompt": prompt, "completion": answer} | table.system_role()
    reason = f"Every row has the columns '{prompt}' and '{answer}'."
    if history := table.history_column(*roles.values()):
        roles["history"] = history
        reason += f" '{history}' holds the turns before."
    extra = table.input_column(prompt, *roles.values())
    if extra and not _repeats(table, extra, answer):
        roles["input"] = extra
    alpaca = prompt_name == "instruction" or "input" in roles
    found = Schema(Shape.ALPACA if alpaca else Shape.COMPLETION, reason, roles)
    if _repeats(table, prompt, answer):
        return _whole_text(prompt, answer)
    if choices := _choices_beside(table, roles):
        doubt = f"But '{choices}' holds choices that the model would not see. Is that right?"
        return found._replace(reason=f"{reason} {doubt}", certain=False)
    if corrected := _corrected_beside(table, roles):
        doubt = f"But '{corrected}' could be the answer as it was corrected. Is that right?"
        words = f"'{corrected}' is taken as the answer to '{prompt}'."
        other = found._replace(reason=words, roles=roles | {"completion": corrected})
        return found._replace(reason=f"{reason} {doubt}").or_else(other)
    if second := _second_answer(table, answer):
        return _or_compared(found, second)
    return add_mark(table, found)


def _second_answer(table: Columns, answer: str) -> str:
    """The path to another answer in the list from which the first is taken; empty if none."""
    column, _, rest = answer.partition("[0]")
    if column == answer or column not in table.columns:
        return ""
    second = f"{column}[1]{rest}"
    texts = table.texts(second)
    full = len(texts) > 0.8 * len(table.texts(answer))
    return second if full and are_own_texts(texts) else ""


def _or_compared(found: Schema, second: str) -> Schema:
    """The first of several answers, or the first as better than the second (LLaMA-Factory)."""
    first = found.roles["completion"]
    doubt = f"But there are several answers, of which only the first ('{first}') is learned."
    reason = f"'{first}' is taken as the better answer, '{second}' as the worse one."
    rest = {role: column for role, column in found.roles.items() if role != "completion"}
    other = Schema(Shape.PREFERENCE, reason, {"chosen": first, "rejected": second} | rest)
    return found._replace(reason=f"{found.reason} {doubt} Is that right?").or_else(other)


def _corrected_beside(table: Columns, roles: dict[str, str]) -> str:
    """A column with answers of its own whose name says that they were put right."""
    for name, column in table.names.items():
        words = set(re.split(r"[\W_]+", name))
        if column in roles.values() or not words & known.CORRECTED_WORDS:
            continue
        if are_own_texts(table.texts(column)):
            return column
    return ""


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


def _whole_text(column: str, answer: str) -> Schema:
    """A column that ends with the answer is not what is asked: the model would copy it."""
    reason = (
        f"'{column}' ends with the answer ('{answer}'), so it cannot be the question. It is taken "
        "as text, and the model learns all of it. Is that right?"
    )
    return Schema(Shape.TEXT, reason, {"text": column}, certain=False)


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
    return next(filter(table.is_list, rest), "")
