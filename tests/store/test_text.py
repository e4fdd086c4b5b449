import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnreport.store.text import decode_number, decode_text, encode_number, encode_text


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_survives_json(text):
    through = json.loads(json.dumps(encode_text(text), ensure_ascii=False).encode())
    assert decode_text(through) == text


@given(st.text())
def test_ordinary_text_stays_readable(text):
    assert encode_text(text) == text


@given(st.floats() | st.integers() | st.none())
def test_any_number_survives_strict_json(number):
    found = decode_number(json.loads(json.dumps(encode_number(number), allow_nan=False)))
    assert type(found) is type(number)
    assert found == number or (math.isnan(found) and math.isnan(number))


def test_the_sign_of_zero_survives():
    assert math.copysign(1, decode_number(encode_number(-0.0))) == -1


@pytest.mark.parametrize("number", [np.float32(0.1), np.float64(0.1), np.int32(7)])
def test_numbers_of_numpy_become_those_of_python(number):
    found = decode_number(json.loads(json.dumps(encode_number(number))))
    assert found == number
    assert type(found) in (int, float)


@pytest.mark.parametrize("value", [3, None, ["a"]])
def test_what_is_no_text_is_refused(value):
    with pytest.raises(TypeError, match="is not text"):
        decode_text(value)


@pytest.mark.parametrize("value", [[1], {"a": 1}])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(TypeError, match="is not a number"):
        decode_number(value)
