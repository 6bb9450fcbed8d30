"""Who speaks in a turn: the four roles, and what other tools and people call them."""

from __future__ import annotations

import re
from functools import lru_cache

_ROLE_WORDS = {
    "system": "system developer sys system_prompt system_message system_instruction "
    "systemprompt sistema système systeme 系统 システム система 시스템",
    "user": "user human prompter customer client visitor caller person student patient requester "
    "asker interviewer seeker usr question query prompt instruction input q "
    "nutzer benutzer kunde mensch frage usuario cliente humano persona pregunta utilisateur "
    "humain utilizador pergunta utente domanda gebruiker klant użytkownik kullan\u0131c\u0131 "
    "uživatel užívateľ felhasználó användare bruger bruker käyttäjä utilizator người_dùng pengguna "
    "пользователь человек вопрос клиент покупатель пациент користувач χρήστης משתמש کاربر ผู้ใช้ "
    "उपयोगकर्ता 用户 人类 问题 客户 顾客 患者 病人 用戶 ユーザー ユーザ 人間 質問 問 사용자 مستخدم",
    "assistant": "assistant gpt model bot chatgpt ai agent chatbot llm claude gemini llama qwen "
    "mistral deepseek copilot support service care operator advisor doctor therapist tutor teacher "
    "supporter counselor interviewee representative rep helper robot machine chat_gpt bard "
    "answer response reply completion output a "
    "assistent antwort asistente agente respuesta réponse resposta assistente risposta asystent "
    "asistan asistent asisten kundenservice asszisztens avustaja trợ_lý ассистент помощник ответ "
    "оператор врач помічник βοηθός עוזר دستیار ผู้ช่วย सहायक "
    "助手 机器人 回答 答案 模型 客服 医生 アシスタント ボット 答 어시스턴트 مساعد",
    "tool": "tool function observation ipython tool_response tool_result function_response "
    "tool_output environment",
}
ROLE_NAMES = {word: role for role, words in _ROLE_WORDS.items() for word in words.split()}
CALL_ROLES = ("function_call", "tool_call")  # LLaMA-Factory's and ms-swift's: the text is a call
ROLE_NAMES |= dict.fromkeys(CALL_ROLES, "assistant")
MODEL_FAMILY = re.compile(
    r"(gpt|chatgpt|claude|gemini|gemma|llama|qwen|mistral|mixtral|deepseek|phi|grok|kimi|glm"
    r"|o[1-4])(?![^\W\d_])"
)
BRACKETS = "()[]{}\uff08\uff09\u3010\u3011"  # the last four: Chinese ones
ASIDE = re.compile(r"\s*[(\[{\uff08\u3010].*?[)\]}\uff09\u3011]")  # "Assistant (model)"
AROUND = " \t\r\n\u00a0\u200b\ufeff:\uff1a*#<>|\"'-_."
LONGEST_ROLE = 60  # characters
BETWEEN = re.compile(r"[\s_\-.]+")


@lru_cache(maxsize=4096)
def known_role(name: str) -> str:
    """The role that a name stands for; empty where it is none."""
    if len(name) > LONGEST_ROLE:
        return ""
    text = name.casefold()
    plain = ASIDE.sub("", text).strip(AROUND) or text.strip(AROUND + BRACKETS)
    joined = BETWEEN.sub("_", plain)
    if joined in ROLE_NAMES:
        return ROLE_NAMES[joined]
    # "gpt-4", "Human 1", "AI Assistant": one of its words, where the rest adds nothing to it.
    # "Customer support" answers, "customer 1" asks.
    words = [word for word in joined.split("_") if not word.isdigit()]
    words = words[words[:1] == ["customer"] and len(words) > 1 :]
    roles = {ROLE_NAMES.get(word.rstrip("0123456789"), "") for word in words}
    if len(roles) == 1 and "" not in roles:
        return roles.pop()
    return "assistant" if MODEL_FAMILY.match(joined) else ""  # "gpt-3.5-turbo"
