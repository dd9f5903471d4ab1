"""Texts as Wan sees them: the text's own rows, then zeros, and nothing else."""

from pathlib import Path

import pytest
import torch
from diffusers import WanPipeline
from torch import Tensor

from engine.wan.load import load_text_encoder
from engine.wan.text import encode_texts, pad_text

TEXTS = ("a black cat", "", "an old cartoon film of two mice on a little boat, rolling & rocking", "cat")
LONG = "the boat rocks on the waves " * 40


@pytest.fixture(scope="module")
def parts(folder: Path, cpu):
    return load_text_encoder(folder, torch.float32, cpu)


def encode(parts, *texts: str, max_tokens: int = 64) -> list[Tensor]:
    return encode_texts(*parts, texts, max_tokens)


@pytest.mark.parametrize("text", TEXTS)
def test_rows_are_as_many_as_tokens(parts, text: str) -> None:
    tokenizer, _ = parts
    [rows] = encode(parts, text)
    assert rows.shape == (len(tokenizer(text).input_ids), 16)
    assert (rows.abs().sum(1) > 0).all()


def test_the_empty_text_is_one_row_that_is_not_zero(parts) -> None:
    [rows] = encode(parts, "")
    padded = pad_text(rows, 64)
    assert rows.shape == (1, 16)
    assert padded[0].any()
    assert not padded[1:].any()


@pytest.mark.parametrize("text", ["a black cat", "", "cat"])
def test_the_padding_changes_nothing(parts, text: str) -> None:
    [short], [long] = encode(parts, text, max_tokens=16), encode(parts, text, max_tokens=64)
    torch.testing.assert_close(short, long, rtol=1e-5, atol=1e-5)


def test_rows_are_what_the_encoder_makes_of_the_bare_tokens(parts) -> None:
    tokenizer, encoder = parts
    for text, rows in zip(TEXTS, encode(parts, *TEXTS), strict=True):
        with torch.no_grad():
            bare = encoder(torch.tensor([tokenizer(text).input_ids])).last_hidden_state[0]
        torch.testing.assert_close(rows, bare, rtol=1e-5, atol=1e-5)


def test_neighbours_in_a_batch_change_nothing(parts) -> None:
    together = encode(parts, *TEXTS)
    alone = [encode(parts, text)[0] for text in TEXTS]
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("text", [*TEXTS, LONG, "  a&amp;amp;b\n\n c "])
def test_padded_it_equals_what_the_stock_pipeline_makes(folder: Path, parts, text: str) -> None:
    stock = WanPipeline.from_pretrained(folder)
    expected, _ = stock.encode_prompt(text, do_classifier_free_guidance=False, max_sequence_length=32)
    [rows] = encode(parts, text, max_tokens=32)
    torch.testing.assert_close(pad_text(rows, 32), expected[0], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        pytest.param("  a&amp;amp;b\n\n c ", "a&b c", id="entities, twice, and spaces"),
        pytest.param("a\tcat", "a cat", id="a tab"),
        pytest.param("it\u2019s a cat", "it's a cat", id="a curly apostrophe"),
        pytest.param("caf\u00c3\u00a9", "caf\u00e9", id="letters that were decoded wrongly"),
        pytest.param(" \n ", "", id="nothing but spaces"),
    ],
)
def test_texts_are_cleaned(parts, text: str, clean: str) -> None:
    assert torch.equal(*(rows for [rows] in (encode(parts, text), encode(parts, clean))))


def test_a_text_that_is_too_long_is_cut_and_still_ends_with_its_end_mark(parts) -> None:
    tokenizer, encoder = parts
    tokens = tokenizer(LONG).input_ids
    assert len(tokens) > 64
    [rows] = encode(parts, LONG, max_tokens=16)
    with torch.no_grad():
        expected = encoder(torch.tensor([[*tokens[:15], 1]])).last_hidden_state[0]
    torch.testing.assert_close(rows, expected, rtol=1e-5, atol=1e-5)


def test_texts_differ(parts) -> None:
    one, other = encode(parts, "a black cat", "a white cat")
    assert not torch.allclose(one, other, atol=1e-2)


def test_rows_are_kept_in_the_number_format_of_the_encoder(folder: Path, parts, cpu) -> None:
    [half] = encode_texts(*load_text_encoder(folder, torch.bfloat16, cpu), ["a black cat"], 16)
    [full] = encode(parts, "a black cat", max_tokens=16)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), full, rtol=0.05, atol=0.05)


def test_rows_own_their_memory(parts) -> None:
    [rows] = encode(parts, "a black cat")
    assert rows.is_contiguous()
    assert rows.storage_offset() == 0
    assert not rows.requires_grad


def test_padding_is_zeros_after_the_rows_in_the_same_numbers() -> None:
    rows = torch.ones(3, 2, dtype=torch.bfloat16)
    padded = pad_text(rows, 5)
    assert padded.dtype == torch.bfloat16
    assert padded.tolist() == [[1, 1]] * 3 + [[0, 0]] * 2
    assert torch.equal(pad_text(rows, 3), rows)
