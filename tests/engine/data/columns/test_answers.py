"""Which column is asked and which answers, where their names alone would say something else."""

from __future__ import annotations

import json

import pytest

from engine.data.schema import Shape
from tests.engine.data.columns.tables import ask, good, read_rows, turns_of


@pytest.mark.parametrize("column", ["instruction", "prompt", "question"])
@pytest.mark.parametrize("different", [1, 2, 24])
def test_instructions_are_asked_with_their_inputs(column: str, different: int) -> None:
    _, rows = read_rows(
        lambda n: {column: f"Do as {n % different} says.", "input": ask(n), "output": good(n)}
    )
    asked = f"Do as {5 % different} says.\n\n{ask(5)}"
    assert turns_of(rows[5]) == [("user", asked), ("assistant", good(5))]


def test_an_instruction_comes_before_the_prompt_that_is_made_of_it() -> None:
    _, rows = read_rows(
        lambda n: {"prompt": f"### Instruction:\nSay it {n % 2}.\n\n### Input:\n{ask(n)}",
                   "instruction": f"Say it {n % 2}.", "input": ask(n), "output": good(n)}
    )  # fmt: skip
    assert turns_of(rows[1])[0] == ("user", f"Say it 1.\n\n{ask(1)}")


@pytest.mark.parametrize("target", ["{}.5", "{}"])
def test_a_target_of_numbers_is_asked_about(target: str) -> None:
    for read in (str, float):
        schema, _ = read_rows(
            lambda n, read=read: {"text": good(n), "target": read(target.format(n))}
        )
        assert not schema.certain and schema.alternative
        assert schema.alternative.shape == Shape.LABEL


def test_a_citation_beside_an_answer_is_no_second_one() -> None:
    schema, _ = read_rows(
        lambda n: {"question": ask(n), "answer": good(n), "reference": f"Lee, On shelves, page {n}"}
    )
    assert schema.certain


@pytest.mark.parametrize("source", [{}, {"source": "https://example.org/{}"}])
def test_a_target_of_few_values_is_a_label(source: dict[str, str]) -> None:
    schema, _ = read_rows(
        lambda n: (
            {key: url.format(n) for key, url in source.items()} | {"text": good(n), "target": n % 2}
        )
    )
    assert (schema.shape, schema.roles) == (Shape.LABEL, {"text": "text", "label": "target"})


def test_an_answer_that_is_a_list_of_what_people_say_stays_what_it_is() -> None:
    said = json.dumps(["Assistant: Good day.", "User: Good evening."])
    _, rows = read_rows(lambda n: {"instruction": ask(n), "output": said})
    assert rows[3] == {"prompt": ask(3), "completion": said}
