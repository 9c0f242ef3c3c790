"""What is hidden of a reply: code, thoughts, calls of tools, citations; and what is not."""

import pytest

from wyoming_fish.fish.settings import Backend
from wyoming_fish.fish.text import Cleaner, TextSettings
from wyoming_fish.fish.text.markup.hidden import (
    MAX_CLOSING_CHARS,
    MAX_HIDDEN_CHARS,
    MAX_KEPT_CHARS,
    MAX_UNCLOSED,
)

from .corpus import clean, heard_in_pieces


def _cleaner() -> Cleaner:
    return Cleaner(Backend.S2_1_PRO, TextSettings())


@pytest.mark.parametrize(
    ("written", "heard"),
    [
        ("```\nlight: on\n\nThe lamp is on.", "light: on\nThe lamp is on."),
        ("Here: ```yaml\na: 1\nThe lamp is on.", "Here:\na: 1\nThe lamp is on."),
        ("~~~ Weather ~~~\nIt is warm.", "Weather\nIt is warm."),
        ("~~~\nIt is warm.", "It is warm."),
        ("```The lamp is on.\nThe door is shut.", "The lamp is on.\nThe door is shut."),
        ("Use a <script> tag in HTML. Then go on.", "Use a script tag in HTML. Then go on."),
        ("Use a <style> tag. Then go on.", "Use a style tag. Then go on."),
        ("A <thought>, then more.", "A thought, then more."),
        ("A <reflection> is nice. Then go on.", "A reflection is nice. Then go on."),
        ("Write <!-- to begin. Then go on.", "Write to begin. Then go on."),
        ("<think>The lamp is on.", "The lamp is on."),
        ("[THINK]The lamp is on.", "The lamp is on."),
        ("<|begin_of_thought|>The lamp is on.", "The lamp is on."),
        ("[1]: https://x.org The lamp is on.", "The lamp is on."),
        ('[a](b.c "title. The lamp is on.\nYes.', "a title. The lamp is on.\nYes."),
        ("<|im_start|>assistant The lamp is on.", "The lamp is on."),
        ('{"name": "lamp. It is on.', '{"name": "lamp. It is on.'),
    ],
)
def test_what_has_no_end_is_said(written: str, heard: str) -> None:
    """No construct hides the rest of a reply."""
    assert heard_in_pieces(_cleaner, written) == heard


@pytest.mark.parametrize(
    ("written", "heard"),
    [
        ('```json\n{"a": 1}\n``` The lamp is on.', "The lamp is on."),
        ('```json {"a": 1} ``` The lamp is on.', "The lamp is on."),
        ("Here: ```yaml\na: 1\n```\nThe lamp is on.", "Here:\nThe lamp is on."),
        ('Here: ```json\n{"a": 1}``` The lamp is on.', "Here: The lamp is on."),
        ('```python title="a b"\nx\n```\nDone.', "Done."),
        ("```\na\n```python\nb\n```\nDone.", "Done."),
        ("````\n```\na\n```\n````\nDone.", "Done."),
        ("A <!-- note\n--> b.", "A b."),
        ("Okay <script>alert(1)</script> then.", "Okay then."),
        ('[a](https://x.org "A title") and [bc]: d.', "a and bc: d."),
    ],
)
def test_code_ends_where_it_is_closed(written: str, heard: str) -> None:
    """Code is not said, and all that follows it is."""
    assert heard_in_pieces(_cleaner, written) == heard


@pytest.mark.parametrize(
    "thought",
    [
        "<think>{}</think>",
        "<thinking_process>{}</thinking_process>",
        "<seed:think>{}</seed:think>",
        "<analysis>{}</analysis>",
        "<inner_monologue>{}</inner_monologue>",
        '<reasoning effort="low">{}</reasoning>',
        "◁think▷{}◁/think▷",
        "[THINK]{}[/THINK]",
        "<|begin_of_thought|>{}<|end_of_thought|>",
        "<|START_THINKING|>{}<|END_THINKING|>",
        "<|inner_prefix|>{}<|inner_suffix|>",
        "<|channel|>analysis<|message|>{}<|end|>",
        "<|channel>thought\n{}<channel|>",
    ],
)
@pytest.mark.parametrize("behind", ["Yes.", "\n\nYes."])
def test_thoughts(thought: str, behind: str) -> None:
    """What a model thinks is not said, however long, and the words around it are not glued."""
    short, long = thought.format("Hm, [laugh] <b>?"), thought.format("Hm. " * 3000)
    assert heard_in_pieces(_cleaner, short + behind) == "Yes."
    assert clean(_cleaner(), long + behind) == "Yes."
    assert " ".join(clean(_cleaner(), "Okay" + short + behind).split()) == "Okay Yes."


@pytest.mark.parametrize(
    "call",
    [
        '<tool_call>{"name": "a", "arguments": {"b": "}"}}</tool_call>',
        "<tool_call>get\n<arg_key>a</arg_key><arg_value>b</arg_value></tool_call>",
        '<function=get>{"a": "b"}</function>',
        '<function=get>{"a": "b"}',
        "<function=get><parameter=a>b</parameter></function>",
        (
            '<function_calls><invoke name="a"><parameter name="b">c</parameter></invoke>'
            "</function_calls>"
        ),
        '<|python_tag|>{"name": "a", "parameters": {"b": "c"}}<|eom_id|>',
        '<|python_tag|>search.call(query="a")<|eom_id|>',
        '[TOOL_CALLS][{"name": "a", "arguments": {}}, {"name": "b", "arguments": {}}]</s>',
        '[TOOL_CALLS]get[ARGS]{"a": "b"}',
        '{"name": "HassTurnOn", "arguments": {"name": "the \\"lamp\\""}}',
        '[{"name": "a", "arguments": {}}]',
        '<|START_ACTION|>[{"tool_name": "a"}]<|END_ACTION|>',
        (
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get\n```json\n{}\n```"
            "<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
        ),
        (
            "<|tool_calls_section_begin|><|tool_call_begin|>a:0<|tool_call_argument_begin|>{}"
            "<|tool_call_end|><|tool_calls_section_end|>"
        ),
        "<|tool_call>call:get{a:1}<tool_call|>",
    ],
)
def test_calls_of_tools(call: str) -> None:
    """The call of a tool is not said, whichever model writes it."""
    assert heard_in_pieces(_cleaner, f"Yes. {call} Done.") == "Yes. Done."


@pytest.mark.parametrize(
    ("written", "heard"),
    [
        ("<final_answer>Yes.</final_answer>", "Yes."),
        ("Okay<message>Yes</message>fine", "Okay Yes fine"),
        ("<start_of_turn>model\nYes.<end_of_turn>", "Yes."),
        ("Hello <unk> there<unk>you", "Hello there you"),
        ("[INST] Hi [/INST] Yes.", "Hi Yes."),
        ("<<SYS>>Hi<</SYS>> Yes.", "Hi Yes."),
        ("<|start_header_id|>assistant<|end_header_id|>\n\nYes.<|eot_id|>", "Yes."),
        ("<|turn>model\nYes.<turn|>", "Yes."),
        ("Un<b>believ</b>able H<sub>2</sub>O", "Unbelievable H2O"),
        ("Call <your name> at <number>.", "Call your name at number."),
        ("A Map<Key> <Value>", "A Map Key Value"),
        ("If 1 < 2 and {a} > b", "If 1 < 2 and {a} > b"),
    ],
)
def test_tags(written: str, heard: str) -> None:
    """A tag is not said, and a word to be filled in is."""
    assert heard_in_pieces(_cleaner, written) == heard


@pytest.mark.parametrize(
    "citation",
    [
        "[cite: 1, 4]",
        "[cite_start]",
        "\ue200cite\ue202turn0search1\ue202turn0news2\ue201",
        " :contentReference[oaicite:0]{index=0}",
        "【4†source】",
        "[oaicite:3]",
        "[^1^]",
    ],
)
def test_citations(citation: str) -> None:
    """The mark of a source is not said."""
    assert heard_in_pieces(_cleaner, f"It rained{citation}. Twice.") == "It rained. Twice."
    assert heard_in_pieces(_cleaner, "It <co: 0,1>rained</co: 0,1>.") == "It rained."


def test_what_is_kept_is_bounded() -> None:
    """A tag within a sentence hides no more than is kept, and then all of it is said."""
    behind = "word " * MAX_KEPT_CHARS
    cleaner = _cleaner()
    said = ""
    for at in range(0, len(behind), 50):
        said += cleaner.write(("Use a <think> tag. " if at == 0 else "") + behind[at : at + 50])
        assert cleaner.held <= MAX_KEPT_CHARS + MAX_CLOSING_CHARS
    assert said.startswith("Use a think tag. word word ")
    assert (said + cleaner.end()).count("word") == MAX_KEPT_CHARS


def test_what_is_hidden_is_bounded() -> None:
    """Thoughts without an end hide so much and no more."""
    cleaner = _cleaner()
    said = "".join(cleaner.write(piece) for piece in ["<think>", *["word " * 100] * 500])
    said += cleaner.end()
    assert len(said) == 500 * 500 - MAX_HIDDEN_CHARS - 1


def test_many_without_an_end() -> None:
    """So many texts are looked through for their end, and then no more are hidden."""
    opened = "".join(f"A <tool_{number}>b. " for number in range(MAX_UNCLOSED - 1))
    assert clean(_cleaner(), opened + "<think>c</think>d.").endswith("A b. d.")
    opened += "A <tool>b. "
    assert clean(_cleaner(), opened + "<think>c</think>d.").endswith("A b. c d.")
