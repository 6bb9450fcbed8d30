"""Names of columns, in lower case, by which a table's schema is inferred; the first found wins."""

from __future__ import annotations

CHAT_COLUMNS = ("messages", "conversations", "conversation")
MARK_COLUMNS = ("label", "good", "kto_tag", "thumbs_up")
PROMPT_COLUMNS = ("prompt", "question", "instruction", "input")
INPUT_COLUMNS = ("input", "context")
SYSTEM_COLUMNS, TOOL_COLUMNS = ("system_prompt", "system"), ("functions", "tools")
ANSWER_PAIRS = (
    ("prompt", "completion"), ("prompt", "response"), ("question", "answer"), ("query", "response"),
    ("instruction", "output"), ("instruction", "response"), ("input", "output"),
    ("question", "response"), ("question", "query"), ("prompt", "answer"), ("query", "answer"),
    ("input", "target"), ("source", "target"), ("document", "summary"), ("text", "summary"),
    ("article", "summary"), ("article", "highlights"), ("dialogue", "summary"),
    ("text", "translation"), ("text", "response"), ("text", "target"), ("message", "reply"),
    ("comment", "reply"),
)  # fmt: skip
TEXT_COLUMNS = (
    "text", "sentence", "review", "content", "tweet", "message", "comment", "body", "document",
)  # fmt: skip
TEXT_PAIRS = (
    ("title", "description"), ("title", "content"), ("title", "text"), ("title", "body"),
    ("subject", "body"), ("premise", "hypothesis"), ("sentence1", "sentence2"),
    ("question1", "question2"), ("text1", "text2"),
)  # fmt: skip
LABEL_COLUMNS = (
    "label_text", "label_name", "label", "labels", "class", "category", "sentiment", "emotion",
    "intent", "topic",
)  # fmt: skip
LABEL_WORDS = {
    "label", "labels", "class", "category", "sentiment", "emotion", "intent", "topic", "rating",
    "stars", "score", "spam", "toxic", "stance", "polarity", "target",
}  # fmt: skip
TURN_COLUMNS = (
    {"role", "content"}, {"from", "value"}, {"role", "text", "parent_id"},
    {"role", "text", "message_id"},
)  # fmt: skip
