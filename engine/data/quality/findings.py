"""What is noticed in the data, in words: how many rows, what follows from it, and what fixes it."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from engine.data.quality.readings import Reading
from engine.spec.objective import OBJECTIVE_NAMES
from engine.spec.run import Fix
from engine.text import count_of

FindingLevel = Literal["stop", "warn", "info"]
WRITE, COMPARE = (f"“{OBJECTIVE_NAMES[goal]}”" for goal in ("write", "prefer"))
LEAVE_OUT = "Leave it out|Leave these {count:,} out"
REPEATED = (
    "Repeated rows count double: the model learns them by heart, and the check on held-out rows "
    "says little."
)


class Finding(BaseModel):
    """One thing that the user should know. A "stop" must be fixed before training."""

    model_config = ConfigDict(frozen=True)
    kind: str
    level: FindingLevel
    count: int  # rows concerned
    title: str
    text: str  # what follows from it, in one sentence
    example: str = ""
    rows: list[int] = []  # numbers in the user's data, the first ones
    fix: Fix | None = None
    button: str = ""  # what pressing the fix does
    done: bool = False  # the fix has been applied; count is then what it changed
    readings: list[Reading] = []  # between which the user has to choose, where there are two
    column: str = ""  # that is asked about: whether rows are left out by its value
    choices: dict[str, int] = {}  # values of the column, and in how many rows each stands
    suggested: list[str] = []  # values whose rows are probably not good


class FindingText(NamedTuple):
    """The sentences of a finding, to be filled in: {count}, {rows} ("3 rows") and other values.

    {s}, {have} and {are} agree with the count; of "one|many" the first is for a count of 1.
    """

    level: FindingLevel
    title: str
    text: str
    fix: Fix | None = None
    button: str = ""
    kind: str = ""  # where several texts are of one kind; else its name in FINDING_TEXTS


FINDING_TEXTS = {
    "unusable": FindingText("stop", "{rows} of {total:,} cannot be used",
        "Training needs every row to be right. Correct them in the file, or leave them out.",
        "unusable", LEAVE_OUT),
    "unsure": FindingText("stop", "Which column is which?",
        "{reason} Choose the columns on the Data tab, or press “These are right” there."),
    "two readings": FindingText("stop", "Which column is which?",
        "{reason} Two readings are possible. Choose the right one on the Data tab, or choose the "
        "columns there one by one.", kind="unsure"),
    "verdict": FindingText("stop", "Does '{column}' say which rows are good?",
        "It holds: {values}. It is not used so far: all rows would be learned alike. Leave out "
        "the rows that are not good, or say that it does not matter."),
    "few values": FindingText("warn", "'{column}' has only {different} values and is not used",
        "It holds: {values}. If it says which rows are good, leave the others out; if it does not, "
        "say that it does not matter.", kind="verdict"),
    "score": FindingText("warn", "'{column}' may say how good a row is, and is not used",
        "It holds numbers from {low} to {high}. If some of them mean that a row is not good, leave "
        "these rows out in the file; if not, say that it does not matter.", kind="verdict"),
    "values left out": FindingText("info", "Left out by '{column}': {gone}",
        "The rows where it is: {values}.", kind="verdict"),
    "no matter": FindingText("info", "'{column}' does not matter, as you said",
        "No row is left out because of it.", kind="verdict"),
    "misfit": FindingText("stop", "The held-out data '{name}' does not fit",
        "It was read as {theirs}, but the model is trained on {ours}. Choose other held-out data, "
        "or a share."),
    "garbled": FindingText("warn", "{rows} hold{s} garbled letters",
        "The text was once read in the wrong encoding, and the model would learn to write so.",
        "garbled", "Put the letters right"),
    "invisible": FindingText("warn", "{rows} hold{s} invisible characters",
        "Nobody sees them, but the model learns to write them, and words with them are other words "
        "to it.",
        "invisible", "Take them out"),
    "stamps": FindingText("warn", "{rows} hold{s} times of a chat export or of subtitles",
        "The model would learn to write dates and times. The names before what was said stay.",
        "stamps", "Take the times out"),
    "turns": FindingText("warn", "{rows} hold{s} the marks of a chat format",
        "The chat format is written around every row anyway, so its marks would stand there twice. "
        "Without them, the row's turns are read as turns.",
        "turns", "Take the marks out"),
    "commas": FindingText("warn", "{labels} may have a decimal comma",
        "They are read as words. If they are numbers, read the comma as a point; if each is "
        "several labels, leave them as they are.",
        "commas", "Read the comma as a decimal point"),
    "lost": FindingText("warn", "{rows} {have} lost letters (�)",
        "They were lost when the file was saved, and cannot be brought back. Save it again as "
        "UTF-8 from where it came, or leave these rows out.",
        "lost", LEAVE_OUT),
    "contradictions": FindingText("warn", "{rows} contradict{s} others",
        "The same text has different labels or short answers, so the model cannot learn which is "
        "right. Where one of them is more frequent, only the others are counted here.",
        "contradictions", LEAVE_OUT),
    "several answers": FindingText("info", "{rows} ask{s} what others ask, with other answers",
        "That is right where several answers are good, and wrong where they contradict each other. "
        "Look at a few. They are kept on one side of the split."),
    "duplicates": FindingText("warn", "{rows} repeat{s} another exactly", REPEATED,
        "duplicates", LEAVE_OUT),
    "all rows the same": FindingText("warn", "All rows are the same",
        REPEATED, "duplicates", LEAVE_OUT, kind="duplicates"),
    "similar": FindingText("info", "{rows} {are} nearly the same as another",
        "Rows that are nearly alike are kept on one side of the split.{part}",
        "similar", LEAVE_OUT),
    "leaked": FindingText("warn", "{count:,} of {held_out} {are} also in the training data",
        "A training row says the same, perhaps with another greeting or number. So the check would "
        "look better than it is.",
        "leaked", "Leave it out of the check|Leave these {count:,} out of the check"),
    "personal": FindingText("warn", "{rows} may hold personal data",
        "Found what looks like {kinds}. A model can repeat what it has learned to anybody who "
        "asks.",
        "personal", LEAVE_OUT),
    "balance": FindingText("warn",
        "“{most}” is far more frequent than “{least}” ({most_rows:,} to {least_rows:,} rows)",
        "The model may learn to always say the frequent label. "
        "Look at macro F1 rather than accuracy.",
        "balance", "Balance: leave {count:,} rows of frequent labels out"),
    "labels": FindingText("warn", "There is only one label: “{label}”",
        "The model will learn to always say it. Add rows with other labels."),
    "labels alike": FindingText("warn", "{labels} differ{s} from others in case or blanks alone",
        "They count as labels of their own: {names}. Write each label in one way.", kind="labels"),
    "rare": FindingText("info", "{labels} {have} fewer than 5 rows",
        "The model will hardly learn them: {names}. Add rows, or merge them with another label."),
    "few": FindingText("info", "Only {rows} to learn from",
        "That can teach a tone or a format, but hardly any facts. 100 to 500 good rows are a usual "
        "start: about {more} more would help."),
    "few of each": FindingText("warn", "Only about {each} of each label to learn from",
        "From so few it learns these rows by heart rather than what makes a label. 50 to 100 rows "
        "of each label are a usual start.",
        kind="few"),
    "bad answers": FindingText("info", "{answers} {are} marked as bad",
        f"They are left out, since what to learn is set to {WRITE}. "
        f"{COMPARE} learns from them too.",
        kind="feedback"),
    "worse answers": FindingText("info", "The worse answers are not used",
        f"What to learn is set to {WRITE}, so only the better ones are learned. "
        f"{COMPARE} learns from both.",
        kind="feedback"),
    "marks": FindingText("info", "{good:,} good and {bad_answers} to learn from",
        "The model learns to give answers like the good ones and unlike the bad ones."),
    "all good": FindingText("stop", "All answers are marked good",
        f"There is nothing to tell apart. Add bad ones, or set what to learn to {WRITE}.",
        kind="marks"),
    "all bad": FindingText("stop", "All answers are marked bad",
        "There is nothing to tell apart. Add good ones.", kind="marks"),
    "split": FindingText("warn", "No rows could be held out",
        "Rows that say the same are kept together, and something of each label has to be learned. "
        "So none is left to check whether the model gets better on new ones. Add rows that are "
        "unlike these."),
    "kept together": FindingText("info", "{rows} say the same as others",
        "They share a sentence, question, answer or template, or come from the same conversation "
        "or document. They form {groups}, each kept whole: either learned or held out."),
    "held out alike": FindingText("warn", "The {rows} held out say only {things}",
        "Most of them repeat others in other words, so the check says little: one thing right or "
        "wrong is {share} of it. Add rows that are unlike these.",
        kind="kept together"),
    "few clusters": FindingText("warn", "{held_out} held out, where {wanted:,} were wanted",
        "{joined} say the same as others and form {groups}, of which the largest has {largest}. "
        "Groups are held out whole, so the share is not met, and the check says less. Add rows "
        "that are unlike these.",
        kind="kept together"),
    "overlap": FindingText("info", "{count:,} of {compared} {are} worded much like a training row",
        "So scores on them say little about rows that are really new."),
    # About tokens. {measured} says on how many rows, where not on all.
    "refused": FindingText("stop", "{rows} cannot be learned with this model",
        "{reason}{measured}", "refused", LEAVE_OUT),
    "cut": FindingText("warn", "{rows} {are} longer than {limit:,} tokens",
        "They are cut at the end.{lost} The longest has {longest:,} tokens. Raise the limit, or "
        "take words out of the middle of long prompts, so that the answers stay whole.{measured}",
        "shorten", "Shorten long prompts"),
    "cut texts": FindingText("warn", "{rows} {are} longer than {limit:,} tokens",
        "They are cut at the end, and the label is chosen by what is left. The longest has "
        "{longest:,} tokens. Raise the limit if the end matters.{measured}",
        kind="cut"),
    "control": FindingText("warn", "{rows} hold{s} control tokens in the text",
        "{names} in a text begins or ends turns for this model. Kept as text, it is plain letters."
        "{measured}",
        "literal", "Keep them as text"),
    "templated": FindingText("info", "{rows} {are} in a chat format already",
        "They are read as they stand: their control tokens begin and end turns, and none is added "
        "twice.{measured}"),
    "endless format": FindingText("warn", "Nothing ends the last answer in this chat format",
        "The chat format (template) writes no mark after it, so training cannot teach the model "
        "where to stop, and replies may run on to their limit. Choose another one on the Data tab.",
        kind="endless"),
    "endless tokenizer": FindingText("warn", "Nothing ends a text for this model",
        "Its tokenizer has no end token, so training cannot teach the model where to stop, and "
        "what it writes runs on to its limit. Choose another model if that matters.",
        kind="endless"),
}  # fmt: skip


def make_finding(
    name: str,
    count: int,
    values: dict[str, Any] | None = None,
    fixes: tuple[Fix, ...] = (),
    **fields: Any,
) -> Finding:
    """Make the finding of this name in ``FINDING_TEXTS``.

    ``values`` are filled into its sentences, ``fixes`` have been applied, ``fields`` are further
    fields of the finding.
    """
    text = FINDING_TEXTS[name]
    filled: dict[str, Any] = {"count": count, "s": "", "have": "have", "are": "are"}
    if count == 1:
        filled |= {"s": "s", "have": "has", "are": "is"}
    filled |= {f"{noun}s": count_of(count, noun) for noun in ("row", "label", "answer")}
    filled |= values or {}

    def fill(words: str) -> str:
        one, _, many = words.partition("|")
        return (one if count == 1 else many or one).format(**filled)

    made = {
        "kind": text.kind or name,
        "level": text.level,
        "count": count,
        "title": fill(text.title),
        "text": fill(text.text),
        "fix": text.fix,
        "button": fill(text.button),
        "done": text.fix in fixes,
    }
    return Finding(**(made | fields))
