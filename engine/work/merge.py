"""Merges an adapter into its base; the result is loaded again and must give the same logits."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.pytorch_utils import Conv1D

from engine.data.rows import read_rows
from engine.errors import DataError
from engine.hardware import GB, require_disk
from engine.spec.run import PlaceSpec
from engine.store import events as ev
from engine.store.files import write_json
from engine.store.run_dir import RunDir, is_whole_model
from engine.work import merge_check
from engine.work.encode.encode import encode_row
from engine.work.encode.questions import first_questions, prompt_ids
from engine.work.encode.tokenizer import load_tokenizer
from engine.work.memory import release_memory
from engine.work.merge_check import REPLY_TOKENS, CheckQuestion, Outputs
from engine.work.model import classifier
from engine.work.model.asking import ASKING_FILE, HELLO, find_asking, hello_chat
from engine.work.model.base_and_tuned import TrainedRun, open_trained_run
from engine.work.model.generate import greedy_replies, reply_ends, reply_text
from engine.work.model.generation_config import set_ends
from engine.work.model.load import DeviceSetup, Head, choose_device, load_adapter, load_model

COMPARED_PROMPTS = 8  # held-out prompts that both are compared on


def merge_run(run: RunDir, precision: str) -> None:
    """Write ``merged/<precision>``, and compare it; a merge beyond tolerance is removed."""
    trained = open_trained_run(run)
    weights = 2 * trained.info.parameters * (2 if precision == "bf16" else 4)
    require_disk(run.path, weights / GB + 0.05, "the merged model")
    device = trained.spec.place.device
    setup = choose_device(PlaceSpec.model_validate({"device": device, "precision": precision}))
    draft, final = run.path / "merged" / f".{precision}", run.merged(precision)
    shutil.rmtree(draft, ignore_errors=True)
    try:
        event = _merge_and_check(trained, setup, draft)
        shutil.rmtree(final, ignore_errors=True)
        if event.ok:
            draft.rename(final)
            size = sum(file.stat().st_size for file in final.rglob("*") if file.is_file())
            event = event.model_copy(update={"megabytes": size / 1e6})
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    run.emit(event)


def _merge_and_check(trained: TrainedRun, setup: DeviceSetup, draft: Path) -> ev.Merged:
    """Write the merged model to ``draft``; how it compares with base and adapter."""
    tokenizer = load_tokenizer(trained.folder, trained.spec.data.template)
    prompts = _comparison_prompts(trained, tokenizer)
    expected, question = _write_merged(trained, tokenizer, setup, prompts, draft)
    plain = load_model(draft, setup, None, trained.head).eval()
    found = _compute_outputs(plain, tokenizer, prompts, trained.head)
    bits, precision = trained.spec.method.bits, setup.precision
    if question is None:
        return merge_check.compare_outputs(expected, found, precision, bits)
    del plain
    release_memory()  # the other program needs it
    answer = merge_check.ask_independently(draft, question, setup.device.type)
    said = [reply_text(tokenizer, ids, question.ends).strip() for ids in answer.replies]
    found = found._replace(replies=said)
    event = merge_check.compare_outputs(expected, found, precision, bits)
    problem = merge_check.find_reply_problem(question, answer)
    note = merge_check.describe_ending_words(question.ends.texts)
    update = {"ok": event.ok and not problem, "text": event.text or problem or note}
    return event.model_copy(update=update)


def _write_merged(
    trained: TrainedRun,
    tokenizer: PreTrainedTokenizerBase,
    setup: DeviceSetup,
    prompts: list[list[int]],
    draft: Path,
) -> tuple[Outputs, CheckQuestion | None]:
    """Merge and write the model to ``draft``.

    Returns what it should give, and what the independent program is asked about a model that
    writes. A whole model is compared with itself as it was trained, in fp32; an adapter with base
    and adapter in the merge's precision.
    """
    whole = is_whole_model(trained.run.adapter)
    tuned = trained.load_models(setup._replace(dtype=torch.float32) if whole else setup)
    expected = _compute_outputs(tuned, tokenizer, prompts, trained.head)
    if trained.head is None:
        greedy = greedy_replies(tuned, tokenizer, prompts, REPLY_TOKENS, trained.plain_text)
        expected = expected._replace(replies=greedy)
    plain = tuned.tuned if whole else _merge_weights(trained, tuned, setup)
    plain, question = plain.to(setup.dtype), None
    draft.mkdir(parents=True)
    if trained.head:
        classifier.set_pad_token(plain, tokenizer)
        labels = classifier.LABELS_FILE
        shutil.copyfile(trained.run.adapter / labels, draft / labels)
    else:
        asking = find_asking(tokenizer, trained.spec.data, trained.plain_text)
        write_json(draft / ASKING_FILE, asking._asdict())
        ends = reply_ends(plain, tokenizer, trained.plain_text)
        set_ends(plain.generation_config, ends.tokens)
        chat, ids = hello_chat(trained.spec.data), list[int]()
        if not (asking.plain_text or asking.in_parts or asking.empty_tools or asking.left_off):
            with suppress(DataError):  # each row may have more than this one, such as a tool
                ids = prompt_ids(tokenizer, chat, plain_text=False)
        question = CheckQuestion(prompts, ends, chat if ids else [], ids)
    plain.save_pretrained(draft)
    tokenizer.save_pretrained(draft)
    return expected, question


def _comparison_prompts(trained: TrainedRun, tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    """Held-out texts or questions as tokens; training ones where nothing is held out."""
    run, data = trained.run, trained.spec.data
    rows = read_rows(run.held_out_file) or read_rows(run.train_file)
    if trained.head:
        texts = classifier.row_texts(rows[:COMPARED_PROMPTS]) or [HELLO]
        return classifier.tokenize_texts(tokenizer, texts, data).ids
    if not rows:  # an adapter that was added without data
        return [prompt_ids(tokenizer, hello_chat(data), trained.plain_text)]
    limit = max(8, data.max_length - REPLY_TOKENS)  # question and reply fit the context together
    found = [ids for _, ids in first_questions(tokenizer, rows, COMPARED_PROMPTS, limit, data)]
    short = data.model_copy(update={"max_length": limit})
    return found or [encode_row(tokenizer, rows[0], short).ids]  # where every question is longer


def _merge_weights(trained: TrainedRun, tuned: Any, setup: DeviceSetup) -> Any:
    """A plain model; quantised weights are dequantised first, or the sum would be rounded anew."""
    if trained.spec.method.bits:
        quantised: Any = load_model(trained.folder, setup, trained.spec.method, trained.head)
        base = quantised.dequantize(setup.dtype)
        if trained.info.transposed:
            base = _transpose_back(base, trained, setup)
        tuned = load_adapter(base, trained.run.adapter)
    return tuned.merge_and_unload()


def _transpose_back(base: Any, trained: TrainedRun, setup: DeviceSetup) -> Any:
    """Undo what quantising did to GPT-2's Conv1D layers: it made them plain, transposed ones."""
    plain = load_model(trained.folder, setup, None, trained.head)
    for name, layer in plain.named_modules():
        if isinstance(layer, Conv1D):
            layer.weight.data = base.get_submodule(name).weight.data.t().contiguous()
    return plain


@torch.no_grad()
def _compute_outputs(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[list[int]],
    head: Head | None,
) -> Outputs:
    """Logits; of a classification head, its labels too (as replies)."""
    if head:
        outputs = classifier.compute_logits(model, tokenizer, prompts)
        labels = [classifier.predicted_labels(one, head) for one in outputs]
        return Outputs(outputs, [", ".join(names) for names in labels])
    logits = []
    for prompt in prompts:
        ids = torch.tensor([prompt], device=model.device)
        logits.append(model(input_ids=ids, use_cache=False).logits[0].float().cpu())
    return Outputs(torch.cat(logits), [])
