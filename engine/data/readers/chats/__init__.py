"""Chats between people and with assistants, and subtitles: what was said, without its times."""
