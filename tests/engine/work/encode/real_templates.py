"""Conversations for the templates of real models, and what these refuse of them."""

from __future__ import annotations

from typing import Any

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a place",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "Its name"}},
            "required": ["city"],
        },
    },
}
CALL = [{"type": "function", "function": {"name": "get_weather", "arguments": {"city": "Oslo"}}}]


def said(*texts: str) -> list[dict[str, Any]]:
    """Turns of user and assistant one after the other."""
    return [
        {"role": ("user", "assistant")[index % 2], "content": text}
        for index, text in enumerate(texts)
    ]


ROWS: dict[str, dict[str, Any]] = {
    "single": {"messages": said("Which hue is red?", "A colour of fire.")},
    "multi": {
        "messages": said(
            "First question", "Alpha reply.", "Second thing", "Beta words!", "Third", "Gamma, done."
        )
    },
    "system": {
        "messages": [
            {"role": "system", "content": "Speak like a pirate."},
            *said("Hello friend", "Arr matey.", "Bye", "Farewell."),
        ]
    },
    "think": {
        "messages": said(
            "Sum 1 and 2",
            "<think>\nWe add them.\n</think>\n\nIt is three.",
            "And 4?",
            "<think>\nMore adding.\n</think>\n\nSeven now.",
        )
    },
    "tools": {
        "messages": [
            {"role": "user", "content": "How warm is the capital of Norway?"},
            {"role": "assistant", "content": "", "tool_calls": CALL},
            {"role": "tool", "name": "get_weather", "content": '{"celsius": 21}'},
            {"role": "assistant", "content": "Warm enough."},
            *said("Thanks a lot", "You are welcome."),
        ],
        "tools": [WEATHER],
    },
    "says and calls": {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "How warm is the capital of Norway?"},
            {"role": "assistant", "content": "Let me look.", "tool_calls": CALL},
            {"role": "tool", "name": "get_weather", "content": "21 celsius"},
            {"role": "assistant", "content": "Warm enough."},
        ],
        "tools": [WEATHER],
    },
}

# Every refusal, and why it is right. Where "_training" stands in brackets, TRL's form of the
# template is meant too.
ANY = tuple(ROWS)
CALLS = ("tools", "says and calls")
REFUSALS: list[tuple[str, str, tuple[str, ...]]] = [
    # templates' own refusals
    # wants a variable that nobody gives
    ("fireworks-ai-llama-3-firefunction-v2", "'functions' is undefined", ANY),
    (
        "google-gemma-2-2b-it gemma gemma_training",
        "System role not supported",
        ("system", "says and calls"),
    ),
    ("google-gemma-2-2b-it gemma gemma_training", "roles must alternate", ("tools",)),
    (
        "gemma3 gemma3_training cohere cohere_training cohere2 cohere2_training",
        "roles must alternate",
        CALLS,
    ),
    ("llava_next llava_next_training", "Only user and assistant roles", CALLS),
    ("llama-cpp-deepseek-r1", "not JSON serializable", CALLS),  # a filter of llama.cpp's own
    # templates that leave something out
    (
        "mistralai-Mistral-Nemo-Instruct-2407",
        "does not show the system prompt",
        ("system", "says and calls"),
    ),
    ("idefics3 idefics3_training", "does not show", CALLS),
    (
        "microsoft-Phi-3.5-mini-instruct phi3 phi3_training phi3_5 phi3_5_training",
        "does not show tool calls",
        CALLS,
    ),
    ("llama3 llama3_training qwen2_5_vl qwen2_5_vl_training", "does not show tool calls", CALLS),
    ("lfm2 lfm2_training", "does not show tool calls in the assistant's turn", CALLS),
    # they tell a calling turn by content None, which transformers takes out of the messages
    (
        "deepseek-ai-DeepSeek-R1-Distill-Llama-8B deepseek-ai-DeepSeek-R1-Distill-Qwen-32B",
        "not show tool calls",
        CALLS,
    ),
    (
        "CohereForAI-c4ai-command-r7b-12-2024-tool_use "
        "NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use "
        "NousResearch-Hermes-3-Llama-3.1-8B-tool_use meta-llama-Llama-3.1-8B-Instruct "
        "meta-llama-Llama-3.2-3B-Instruct "
        "meta-llama-Llama-3.3-70B-Instruct llama3_1 llama3_2 gptoss gptoss_training",
        "does not show what the assistant says when it also calls a tool",
        ("says and calls",),
    ),
    # it writes a tool's answer before the words of the turn that called it
    ("diffusion_gemma", "others' words into the assistant's turn", ("says and calls",)),
]
EXPECTED = {
    (name, row): reason
    for names, reason, rows in REFUSALS
    for name in names.split()
    for row in rows
}
