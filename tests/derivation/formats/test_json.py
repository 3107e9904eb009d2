"""JSON is strict, valid against the published schema, and gives the same derivation back."""

from __future__ import annotations

import json
import math
from dataclasses import fields, is_dataclass, replace
from importlib import resources

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chainrule.derivation import record
from chainrule.derivation.formats.json import CLASSES, from_json, write
from chainrule.errors import FormatError

SCHEMA = json.loads(resources.files("chainrule.derivation").joinpath("schema.json").read_text(encoding="utf-8"))


def no_constants(name):
    raise AssertionError(f"{name} is no JSON")


def same(x, y):
    """Equality in which nan equals itself."""
    if is_dataclass(x):
        return type(x) is type(y) and all(same(getattr(x, f.name), getattr(y, f.name)) for f in fields(x))
    if isinstance(x, tuple):
        return isinstance(y, tuple) and len(x) == len(y) and all(map(same, x, y))
    if isinstance(x, float) and math.isnan(x):
        return isinstance(y, float) and math.isnan(y)
    return type(x) is type(y) and x == y


def test_it_is_strict_valid_and_comes_back(derivation):
    text = write(derivation)
    data = json.loads(text, parse_constant=no_constants)
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(data)
    assert same(from_json(text), derivation)
    assert derivation.json() == text


def test_the_schema_has_every_field_and_no_other():
    for name, kind in CLASSES.items():
        described = SCHEMA["$defs"][name]
        named = ["parts" if f.name == "sides" else f.name for f in fields(kind)]
        formulas = ["formulas"] * (name == "derivation")
        assert list(described["properties"]) == ["type", *named, *formulas]
        assert described["required"] == list(described["properties"])
        assert described["additionalProperties"] is False
    assert SCHEMA["$defs"]["derivation"]["properties"]["version"] == {"const": record.VERSION}


@pytest.mark.parametrize(
    "wrong",
    [{"dialect": 3}, {"value": "a lot"}, {"nodes": [{"type": "node"}]}, {"story": [{"type": "poem"}]}, {"more": 1}],
)
def test_the_schema_refuses_what_is_no_derivation(derivation, wrong):
    data = {**json.loads(write(derivation)), **wrong}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(data)


@given(x=st.floats(), text=st.text())
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_any_number_and_any_text_come_back(make, x, text):
    told = replace(
        make(), value=x, gradient=((x, record.Large((9,), x, x, 0, x)),), title=text, story=(record.Note(text),)
    )
    assert same(from_json(write(told)), told)


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"version": "chainrule.derivation/0"}', '{"version": "chainrule.derivation/1"}']
)
def test_other_text_is_refused_in_words(text):
    with pytest.raises(FormatError, match=r"JSON|derivation"):
        from_json(text)
