"""Model files that were damaged or made by hand: refused in words of our own, and never changed."""

import json
import random
import struct

import pytest
from safetensors.numpy import load

from chainrule.errors import ChainruleError
from chainrule.training import load_model
from chainrule.training.checkpoint import check_of

WRONG = [None, True, -1, 0, 2**70, 1e308, "", "x", "\x1b[2J", [], {}, [[]], {"a": 1}, [None], ["x"], [2**40, 3]]


def bytes_changed(whole, draw):
    """Flipped bits, cut ends, foreign parts and other sizes."""
    content = bytearray(whole)
    match draw.randrange(5):
        case 0:
            for _ in range(draw.randrange(1, 5)):
                content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        case 1:
            del content[draw.randrange(len(content)) :]
        case 2:
            content[:8] = struct.pack(
                "<Q", draw.choice([0, 1, len(whole), 2**31, 2**62, 2**64 - 1, draw.randrange(9999)])
            )
        case 3:
            start = draw.randrange(len(content))
            content[start : start + draw.randrange(64)] = draw.randbytes(draw.randrange(64))
        case _:
            content += draw.randbytes(draw.randrange(1, 64))
    return bytes(content)


def places_in(held, path=()):
    yield path
    pairs = held.items() if isinstance(held, dict) else enumerate(held) if isinstance(held, list) else ()
    for name, part in pairs:
        yield from places_in(part, (*path, name))


def header_changed(whole, draw):
    """A header in which one thing is of another kind or gone, with the checksum that belongs to it."""
    size = struct.unpack("<Q", whole[:8])[0]
    header, body = json.loads(whole[8 : 8 + size]), whole[8 + size :]
    about = header["__metadata__"]
    within = draw.random() < 0.8
    held = json.loads(about["state"]) if within else header
    *way, last = draw.choice([path for path in places_in(held) if path])
    inner = held
    for name in way:
        inner = inner[name]
    if draw.random() < 0.3:
        del inner[last]
    else:
        inner[last] = draw.choice(WRONG)
    if within:
        about["state"] = json.dumps(held)
        about["check"] = check_of(load(whole), about["state"])
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def assert_taken_or_refused(whole, folder, count, seed):
    draw = random.Random(seed)
    path = folder / "m.safetensors"
    refused = 0
    for i in range(count):
        content = draw.choice([bytes_changed, header_changed])(whole, draw)
        path.write_bytes(content)
        try:
            load_model(path)
        except ChainruleError as error:
            refused += "\n" not in str(error)
        except Exception as error:  # noqa: BLE001 - that there is no other is what is shown
            pytest.fail(f"seed {seed}, change {i}: {type(error).__name__}: {error}")
        assert path.read_bytes() == content
    assert [entry.name for entry in folder.iterdir()] == ["m.safetensors"]
    assert refused > count / 2


@pytest.fixture
def whole(trained):
    return (trained / "flowers.safetensors").read_bytes()


def test_changed_models_are_taken_or_refused_in_words(whole, tmp_path):
    assert_taken_or_refused(whole, tmp_path, 2_000, seed=0)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1, 11))
def test_many_changed_models_are_taken_or_refused_in_words(whole, tmp_path, seed):
    assert_taken_or_refused(whole, tmp_path, 2_000, seed=seed)
