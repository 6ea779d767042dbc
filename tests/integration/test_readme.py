"""README's example, run word for word by bash against a server with demo data."""

import os
import re
import shutil
import subprocess

import pytest

from boxoffice import ROOT, clean_environment

SECTION = "## The API by example"
MARK = "---- block"
# What differs from run to run: ids, times, opaque texts.
VARYING = re.compile(r'("(?:\w+Id|\w*Token|\w*At|\w*Until)":)\s*(?:"[^"]*"|\d+)')


def example_blocks():
    """The indented blocks of the section, each a list of lines."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split(f"\n{SECTION}\n")[1].split("\n## ")[0]
    blocks = re.findall(r"(?:^    .*\n)(?:(?:^    .*)?\n)*", section, re.MULTILINE)
    return [[line[4:] for line in block.splitlines() if line.strip()] for block in blocks]


def members(text):
    """The members `"name":value` of JSON texts, however they are laid out."""
    text = re.sub(r"\s+", " ", VARYING.sub(r"\1…", text))
    return {name + value.strip() for name, value in
            re.findall(r'("\w+":)\s*("[^"]*"|-?\d+|…|true|false|null|\{|\[)', text)}


def test_the_example_does_what_the_readme_says(start):
    for tool in ("bash", "curl", "jq"):
        if shutil.which(tool) is None:
            assert os.environ.get("CI") != "true", f"{tool} is not installed"
            pytest.skip(f"{tool} is not installed")
    server = start("--demo")
    blocks = example_blocks()
    script = "\n".join(f"echo; echo '{MARK}'\n" + "\n".join(block) for block in blocks)
    environment = clean_environment() | {"B": f"http://127.0.0.1:{server.port}"}
    result = subprocess.run(["bash", "-euo", "pipefail"], input=script, text=True, timeout=60,
                            capture_output=True, env=environment, cwd=server.data.parent)
    print(result.stdout)
    assert result.returncode == 0, result.stderr
    outputs = result.stdout.split(MARK)[1:]
    assert len(outputs) == len(blocks) > 5
    told = 0
    for block, output in zip(blocks, outputs):
        for line in block:
            if line.startswith("#"):
                missing = members(line) - members(output)
                assert not missing, f"README says {line!r}, and it was {output}"
                told += len(members(line))
    assert told > 5, "README shows answers"
