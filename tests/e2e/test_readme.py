"""The Python of README.md runs as it is printed, in a process of its own."""

import asyncio
import re
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from textwrap import dedent, indent

from signet import testing
from tests.support.people import running

README = Path(__file__).parents[2] / "README.md"


def example() -> str:
    """Its only block of Python, in the `main` that `asyncio.run` wants."""
    fenced = re.compile(r"^ *```python\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
    (block,) = fenced.findall(README.read_text())
    body = indent(dedent(block), "    ")
    return f"import asyncio\n\nasync def main():\n{body}\nasyncio.run(main())\n"


async def test_the_example_writes_to_bob_and_prints_what_it_is_told(tmp_path: Path) -> None:
    async with testing.server(tmp_path) as signet:
        alice, bob = await signet.register("alice"), await signet.register("bob")
        await alice.stop()  # the example opens her store
        async with running(bob) as person:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-u", "-c", example(), cwd=signet.folder, stdout=PIPE, stderr=PIPE
            )
            assert process.stdout is not None
            try:
                first = await process.stdout.readline()
                if first:
                    assert await person.reads(1) == ["hello"]
            finally:
                if process.returncode is None:
                    process.terminate()
                _, errors = await process.communicate()
        assert first.startswith(b"ConnectionChanged("), errors.decode()
