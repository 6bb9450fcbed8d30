"""Makes the pocket model from nothing: tokenizer, training, exam, and the folder `model/` that
ships.

    python presets/pocket/make.py --threads 2
                                    the real thing, under two hours on two quiet cores
    python presets/pocket/make.py --steps 20 --rows 1 --questions 8 --out DIR
                                    a smoke run of a few seconds

A run that was stopped goes on exactly where it last saved when it is started again with the same
--out.
"""

import argparse
import json
import os
import platform
import time
from pathlib import Path

import torch
from card import Figures, export
from corpus import batch, held_out_texts
from exam import ask, perplexity, sit_exam
from tokens import CONTEXT, train_tokenizer
from training import Trainee, new_trainee, rate, train_step
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from world import held_out

SEED = 20261124
SAMPLES = [
    "Hello!",
    "What does a cow say?",
    "Is a robin a bird?",
    "Tom bought three red apples on Monday. What did Tom buy?",
    "Tell me a story about a fox.",
    "Say after me: lamp Nora 42 zofu",
    "What do you know about Saturn?",
]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=2800, help="training steps in all")
    parser.add_argument(
        "--rows", type=int, default=16, help=f"rows of {CONTEXT // 2} tokens in a step"
    )
    parser.add_argument("--rate", type=float, default=3e-3, help="peak learning rate")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--machine", default=f"{os.cpu_count()} cores, {platform.machine()}", help="for the card"
    )
    parser.add_argument("--questions", type=int, default=200, help="held-out questions in the exam")
    parser.add_argument("--save-minutes", type=float, default=3.0)
    parser.add_argument(
        "--export-minutes", type=float, default=15.0, help="how often model/ is brought up to date"
    )
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent, help="gets model/ and making/"
    )
    return parser.parse_args()


def tokenizer_for(making: Path, conversations: int) -> PreTrainedTokenizerFast:
    if not (making / "tokenizer" / "tokenizer.json").exists():
        train_tokenizer(SEED, conversations).save_pretrained(making / "tokenizer")
    return AutoTokenizer.from_pretrained(making / "tokenizer")


def note(making: Path, **values: object) -> None:
    line = json.dumps({"time": time.strftime("%H:%M:%S"), **values})
    print(line, flush=True)
    with (making / "log.jsonl").open("a") as log:
        log.write(line + "\n")


def examine(
    trainee: Trainee, tokenizer: PreTrainedTokenizerFast, questions: int, machine: str
) -> Figures:
    trainee.model.eval()
    texts, replies = perplexity(trainee.model, held_out_texts(tokenizer, 300))
    answers = sit_exam(trainee.model, tokenizer, held_out(questions))
    trainee.model.train()
    return Figures(
        sum(p.numel() for p in trainee.model.parameters()),
        trainee.step,
        trainee.tokens,
        trainee.seconds / 60,
        machine,
        texts,
        replies,
        sum(a.right for a in answers),
        len(answers),
        [(a.exchange.ask, a.said) for a in answers if not a.right],
    )


def train(
    trainee: Trainee,
    tokenizer: PreTrainedTokenizerFast,
    making: Path,
    model: Path,
    args: argparse.Namespace,
) -> None:
    saved = exported = began = time.monotonic()
    before, recent = trainee.seconds, []
    while trainee.step < args.steps:
        lr = rate(trainee.step, args.steps, args.rate)
        recent.append(train_step(trainee, batch(tokenizer, SEED, trainee.step, args.rows), lr))
        now = time.monotonic()
        trainee.seconds = before + now - began
        if trainee.step % 20 == 0:
            note(
                making,
                step=trainee.step,
                loss=round(sum(recent) / len(recent), 4),
                rate=round(lr, 6),
                tokens=trainee.tokens,
                tokens_per_second=round(trainee.tokens / trainee.seconds),
            )
            recent = []
        if now - saved > 60 * args.save_minutes:
            trainee.save(making / "state.pt")
            saved = now
        if now - exported > 60 * args.export_minutes:
            figures = examine(trainee, tokenizer, args.questions, args.machine)
            note(
                making,
                step=trainee.step,
                perplexity=figures.perplexity,
                reply_perplexity=figures.reply_perplexity,
                right=figures.right,
                wrong=figures.wrong[:8],
                says=ask(trainee.model, tokenizer, SAMPLES),
            )
            export(trainee.model, tokenizer, model, figures)
            exported = time.monotonic()
    trainee.save(making / "state.pt")


def main() -> None:
    args = options()
    torch.set_num_threads(args.threads)
    making, model = args.out / "making", args.out / "model"
    making.mkdir(parents=True, exist_ok=True)
    tokenizer = tokenizer_for(making, min(40_000, 200 * args.steps))
    trainee = new_trainee(tokenizer, SEED)
    if (making / "state.pt").exists():
        trainee.load(making / "state.pt")
    trainee.model.train()
    train(trainee, tokenizer, making, model, args)
    figures = examine(trainee, tokenizer, args.questions, args.machine)
    note(
        making,
        step=trainee.step,
        perplexity=figures.perplexity,
        reply_perplexity=figures.reply_perplexity,
        right=figures.right,
        asked=figures.asked,
    )
    export(trainee.model, tokenizer, model, figures)


if __name__ == "__main__":
    main()
