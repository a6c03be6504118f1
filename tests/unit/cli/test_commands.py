import pytest
from hypothesis import given
from hypothesis import strategies as st

from signet.cli.commands import (
    HELP,
    Command,
    Edit,
    NotUnderstood,
    Plain,
    React,
    Save,
    Say,
    SendFile,
    Timer,
    parse,
)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("hello there", Say("hello there")),
        ("  hello  ", Say("hello")),
        ("//usr/bin is a path", Say("/usr/bin is a path")),
        ("/reply yes", Say("yes", 1)),
        ("/reply 2 yes", Say("yes", 2)),
        ("/reply 2", Say("2", 1)),
        ("/react 👍", React("👍")),
        ("/react 3 👍", React("👍", 3)),
        ("/react", React("")),
        ("/edit better", Edit("better")),
        ("/file a.jpg", SendFile("a.jpg")),
        ("/file a.jpg look at this", SendFile("a.jpg", "look at this")),
        ('/file "my pictures/a b.jpg" look', SendFile("my pictures/a b.jpg", "look")),
        ("/save", Save("")),
        ("/save 2", Save("", 2)),
        ("/save there", Save("there")),
        ("/save 2 over there", Save("over there", 2)),
        ("/save 'over there'", Save("over there")),
        ("/timer 60", Timer(60)),
        ("/timer 0", Timer(0)),
        ("/quit", Plain("quit")),
        ("/safety", Plain("safety")),
        ("   ", None),
    ],
)
def test_a_line_is_text_or_a_command(line: str, command: Command | None) -> None:
    assert parse(line) == command


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/dance", "/help"),
        ("/edit", "/edit TEXT"),
        ("/file", "/file PATH"),
        ("/reply", "/reply"),
        ("/timer soon", "/timer"),
    ],
)
def test_what_is_not_understood_says_what_is(line: str, said: str) -> None:
    with pytest.raises(NotUnderstood, match=said):
        parse(line)


@pytest.mark.parametrize("usage", [usage for usage, _ in HELP])
def test_every_line_of_the_help_is_understood(usage: str) -> None:
    assert parse(usage.replace("TEXT", "text")) is not None


@given(st.text())
def test_a_line_without_a_slash_is_always_what_is_said(line: str) -> None:
    text = line.strip().lstrip("/")
    assert parse(text) == (Say(text.strip()) if text.strip() else None)
