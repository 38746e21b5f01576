"""A tiny model with random weights, made here: nothing is downloaded."""

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="`make test-hf` installs torch and transformers and runs these tests")
pytest.importorskip("transformers", reason="`make test-hf` installs torch and transformers and runs these tests")

WORDS = "how do i water a cactus in winter sure here is what you asked for the and user assistant".split()
CHAT = "{% for m in messages %}[{{ m.role }}] {{ m.content }} {% endfor %}[assistant]"


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(7)
    vocabulary = {word: n for n, word in enumerate(["<unk>", "<s>", "</s>", *dict.fromkeys(WORDS)])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>")
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=512,
        bos_token_id=1,
        eos_token_id=None,
    )
    made = tmp_path_factory.mktemp("models") / "tiny-base"
    LlamaForCausalLM(config).save_pretrained(made)
    wrapped.save_pretrained(made)
    return made
