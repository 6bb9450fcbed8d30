"""The pocket tokenizer: byte-level BPE trained on text of the pocket world, with a chat template.

The end-of-turn token is also the end-of-text token, so that `generate()` stops after one reply.
Padding is a token of its own.
"""

import random
from collections.abc import Iterator

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast
from world import conversation

START, END, USER, ASSISTANT, SYSTEM, PAD = (
    "<|start|>",
    "<|end|>",
    "<|user|>",
    "<|assistant|>",
    "<|system|>",
    "<|pad|>",
)
SPECIAL = [PAD, START, END, SYSTEM, USER, ASSISTANT]
VOCABULARY = 4096
CONTEXT = 512

CHAT_TEMPLATE = """{{- bos_token }}
{%- for message in messages %}
    {%- if message['role'] == 'assistant' %}
        {{- '<|assistant|>' }}
        {%- generation %}
            {{- message['content'] + '<|end|>' }}
        {%- endgeneration %}
    {%- elif message['role'] in ['user', 'system'] %}
        {{- '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}
    {%- else %}
        {{- raise_exception('Pocket knows the roles system, user and assistant, not ' + message['role'] + '.') }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|assistant|>' }}
{%- endif %}
"""


def _texts(seed: int, conversations: int) -> Iterator[str]:
    rng = random.Random(seed)
    for _ in range(conversations):
        for message in conversation(rng):
            yield message["content"]


def train_tokenizer(seed: int, conversations: int) -> PreTrainedTokenizerFast:
    inner = Tokenizer(models.BPE())
    # digits one by one: numbers are then read and copied the same way whatever their length
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        min_frequency=2,
        special_tokens=SPECIAL,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    inner.train_from_iterator(_texts(seed, conversations), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token=START,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[SYSTEM, USER, ASSISTANT],
        model_max_length=CONTEXT,
        padding_side="right",
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )
