"""Names of columns, in lower case, by which a table's schema is inferred; the first found wins."""

from __future__ import annotations

CHAT_COLUMNS = ("messages", "conversations", "conversation")
# Of these a column is a chat only where it holds turns.
MAYBE_CHAT_COLUMNS = (
    "dialog", "dialogue", "dialogs", "dialogues", "chat", "turns", "contents", "utterances",
    "chat_messages", "thread", "transcript", "dialogue_turns",
)  # fmt: skip
MARK_COLUMNS = (
    "label", "good", "kto_tag", "thumbs_up", "thumbs", "thumb", "feedback", "user_feedback",
    "vote", "votes", "reaction", "like", "liked", "is_good", "helpful", "is_helpful", "desirable",
    "is_desirable", "binary_label", "completion_label", "labels", "rating", "score", "preference",
    "chosen", "is_chosen", "preferred", "accepted",
)  # fmt: skip
PROMPT_COLUMNS = ("prompt", "question", "instruction", "input", "query", "context")
INPUT_COLUMNS = ("input", "context")
INSTRUCTION_COLUMNS = ("instruction", "question", "query", "prompt")  # to which an input belongs
HISTORY_COLUMNS = (
    "history", "chat_history", "conversation_history", "dialog_history", "dialogue_history",
    "previous_turns", "past_messages", "prior_turns",
)  # fmt: skip
HISTORY_WORDS = {"history", "previous", "prior", "past", "earlier", "input", "context"}
SYSTEM_COLUMNS = (
    "system_prompt", "system", "system_message", "system_instruction", "systeminstruction",
)  # fmt: skip
TOOL_COLUMNS = ("functions", "tools")
PREFERENCE_PAIRS = (
    ("chosen", "rejected"), ("preferred_output", "non_preferred_output"),
    ("chosen_response", "rejected_response"), ("response_chosen", "response_rejected"),
    ("chosen_answer", "rejected_answer"), ("preferred", "rejected"), ("preferred", "dispreferred"),
    ("preferred", "non_preferred"), ("preferred", "nonpreferred"),
    ("preferred_response", "dispreferred_response"), ("preferred_response", "rejected_response"),
    ("accepted", "rejected"), ("winner", "loser"), ("win", "lose"), ("better", "worse"),
    ("better_answer", "worse_answer"), ("better_response", "worse_response"),
    ("good_answer", "bad_answer"), ("good_response", "bad_response"), ("response_w", "response_l"),
    ("accept", "reject"),
)  # fmt: skip
# An answer or a chat (as ms-swift has them), beside which a worse answer may stand.
BETTER_COLUMNS = ("messages", "conversations", "completion", "response", "answer", "output")
ANSWER_PAIRS = (
    ("prompt", "completion"), ("prompt", "response"), ("question", "answer"), ("query", "response"),
    ("instruction", "output"), ("instruction", "response"), ("input", "output"),
    ("question", "response"), ("question", "query"), ("prompt", "answer"), ("query", "answer"),
    ("input", "target"), ("source", "target"), ("document", "summary"), ("text", "summary"),
    ("article", "summary"), ("article", "highlights"), ("dialogue", "summary"),
    ("text", "translation"), ("text", "response"), ("text", "target"), ("message", "reply"),
    ("comment", "reply"), ("question", "answers"), ("prompt", "output"), ("question", "output"),
    ("instruction", "completion"), ("instruction", "answer"), ("query", "output"),
    ("query", "completion"), ("inputs", "outputs"), ("inputs", "targets"), ("request", "response"),
    ("input", "response"), ("input", "completion"), ("input", "answer"), ("human", "assistant"),
    ("user", "assistant"), ("user", "bot"), ("human", "bot"), ("human", "gpt"), ("human", "ai"),
    ("problem", "solution"),
)  # fmt: skip
# Words in the names of columns that hold answers, and which of two is better and which worse.
ANSWER_NOUNS = {
    "answer", "answers", "response", "responses", "output", "outputs", "option", "options",
    "completion", "completions", "reply", "replies", "text", "texts", "example", "examples",
}  # fmt: skip
BETTER_WORDS = {"chosen", "preferred", "better", "best", "accepted", "winner", "winning", "good"}
WORSE_WORDS = {
    "rejected", "dispreferred", "unpreferred", "worse", "worst", "loser", "losing", "bad", "wrong",
    "negative", "incorrect",
}  # fmt: skip
# Words in names that say which column asks and which answers, in several languages.
QUESTION_WORDS = {
    "question", "questions", "frage", "fragen", "anfrage", "kundenfrage", "pregunta", "preguntas",
    "domanda", "domande", "pergunta", "perguntas", "vraag", "vragen", "pytanie", "fråga",
}  # fmt: skip
ANSWER_WORDS = {
    "answer", "answers", "reply", "response", "antwort", "antworten", "réponse", "reponse",
    "réponses", "respuesta", "respuestas", "risposta", "risposte", "resposta", "respostas",
    "antwoord", "antwoorden", "odpowiedź", "svar",
}  # fmt: skip
REASON_WORDS = {"reasoning", "rationale", "explanation", "cot", "thought", "thoughts", "thinking"}
CHOICE_COLUMNS = {"options", "choices", "alternatives", "candidates", "distractors"}
# Words in the name of a column that may hold the answer as somebody put it right.
CORRECTED_WORDS = {
    "corrected", "correction", "edited", "revised", "improved", "fixed", "rewritten",
}  # fmt: skip
# Columns that may hold the answer to a conversation which stands in another column.
REPLY_COLUMNS = (
    "completion", "response", "answer", "output", "reply", "target", "completions", "responses",
    "outputs", "assistant", "reference_answer", "reference_response", "expected_answer",
    "expected_response", "expected_output", "ideal", "ideal_answer", "gold_answer",
    "correct_answer", "target_answer", "ground_truth", "reference", "label", "choices", "message",
    "candidates",
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
# A chat between people has a conversation for each of them, in which that person answers.
ANSWERS_OF = "answers of "
# Fields of an object in which a conversation or a text lies, the first found first.
INNER_FIELDS = (
    "messages", "content", "text", "value", "answer", "response", "output", "completion",
    "message", "choices", "generated_text", "body",
)  # fmt: skip
