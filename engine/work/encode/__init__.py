"""Rows to token ids and labels. Knows nothing about models or training.

A row's messages are rendered (template, prompts), their loss mask is computed in characters
(loss_mask), and both become tokens (tokens, encode); preferences and questions are encoded from the
same parts.
"""
