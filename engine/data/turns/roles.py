"""Who speaks in a turn: the four roles, and what other tools and people call them."""

from __future__ import annotations

import re
from functools import lru_cache

_ROLE_WORDS = {
    "system": "system developer sys system_prompt system_message system_instruction "
    "systemprompt sistema système systeme 系统 システム система",
    "user": "user human prompter customer client visitor caller person student patient requester "
    "asker interviewer usr question query prompt instruction input q "
    "nutzer benutzer kunde mensch frage usuario cliente humano persona pregunta utilisateur "
    "humain utilizador pergunta utente domanda gebruiker klant użytkownik kullan\u0131c\u0131 "
    "пользователь человек вопрос 用户 人类 问题 用戶 ユーザー ユーザ 人間 質問 사용자 مستخدم",
    "assistant": "assistant gpt model bot chatgpt ai agent chatbot llm claude gemini llama qwen "
    "mistral deepseek copilot support operator advisor doctor tutor teacher helper robot machine "
    "answer response reply completion output a "
    "assistent antwort asistente respuesta réponse resposta assistente risposta asystent asistan "
    "ассистент помощник ответ 助手 机器人 回答 答案 模型 アシスタント ボット 어시스턴트 مساعد",
    "tool": "tool function observation ipython tool_response tool_result function_response "
    "tool_output environment",
}
ROLE_NAMES = {word: role for role, words in _ROLE_WORDS.items() for word in words.split()}
ROLE_NAMES["function_call"] = "assistant"  # LLaMA-Factory's: its text is a call
BRACKETS = "()[]{}\uff08\uff09\u3010\u3011"  # the last four: Chinese ones
ASIDE = re.compile(r"\s*[(\[{\uff08\u3010].*?[)\]}\uff09\u3011]")  # "Assistant (model)"
AROUND = " \t\r\n\u00a0\u200b\ufeff:\uff1a*#<>|\"'-_."
LONGEST_NAME = 60  # characters
BETWEEN = re.compile(r"[\s_\-.]+")


@lru_cache(maxsize=4096)
def known_role(name: str) -> str:
    """The role that a name stands for; empty where it is none."""
    if len(name) > LONGEST_NAME:
        return ""
    text = name.casefold()
    plain = ASIDE.sub("", text).strip(AROUND) or text.strip(AROUND + BRACKETS)
    joined = BETWEEN.sub("_", plain)
    if joined in ROLE_NAMES:
        return ROLE_NAMES[joined]
    # "gpt-4", "Human 1", "AI Assistant": one of its words, where the rest adds nothing to it.
    words = [word for word in joined.split("_") if not word.isdigit()]
    roles = {ROLE_NAMES.get(word.rstrip("0123456789"), "") for word in words}
    return roles.pop() if len(roles) == 1 else _model_family(words)


def _model_family(words: list[str]) -> str:
    """The assistant where a name begins with that of a model: "gpt-3.5-turbo"."""
    families = {"gpt", "chatgpt", "claude", "gemini", "llama", "qwen", "mistral", "deepseek"}
    first = words[0].rstrip("0123456789") if words else ""
    return "assistant" if first in families else ""
