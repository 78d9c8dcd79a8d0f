"""A digest of plain values: the same for the same values, in whatever order they were written."""

from mico_150k.core.identity import json_sha256


def test_the_order_of_keys_is_nothing_and_that_of_a_list_is() -> None:
    assert json_sha256({"a": 1, "b": {"c": [1, 2], "d": None}}) == json_sha256(
        {"b": {"d": None, "c": [1, 2]}, "a": 1}
    )
    assert json_sha256({"c": [1, 2]}) != json_sha256({"c": [2, 1]})


def test_it_is_sha256_of_json_in_ascii() -> None:
    # printf '{"a":"\\u00e9","b":[1,null]}' | sha256sum
    expected = "9b10bedce64e86a275540261fbe95bc6c195bfb10d5def7a5fc12eefcc7d0a87"
    assert json_sha256({"b": [1, None], "a": "é"}) == expected


def test_half_of_a_character_has_a_digest_as_well() -> None:
    assert json_sha256("\ud83d") != json_sha256("\ud83e")
