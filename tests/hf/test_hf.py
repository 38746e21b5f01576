"""`sisf model serve FOLDER` with the real libraries: the paper's sampling, streaming, and a gateway in front."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from sisf.errors import ConfigurationError, ModelError
from sisf.exchange import Message, Role
from sisf.llm.hf import HfModel, Sampling
from sisf.llm.hf_server import create_app
from sisf.serving import Background
from tests.gateway.conftest import rig
from tests.hf.conftest import CHAT

HELLO: Any = [{"role": "user", "content": "how do i water a cactus"}]


@pytest.fixture(scope="module")
def model(folder: Path) -> HfModel:
    return HfModel(str(folder), device="cpu")


@pytest.fixture(scope="module")
def client(model: HfModel) -> Iterator[openai.OpenAI]:
    with (
        Background(create_app(model)) as background,
        openai.OpenAI(base_url=background.url + "/v1", api_key="x") as made,
    ):
        yield made


def test_the_papers_sampling_is_the_default(
    client: openai.OpenAI, model: HfModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    generate = model._model.generate

    def noted(**options: Any) -> Any:
        asked.append(options)
        return generate(**options)

    monkeypatch.setattr(model._model, "generate", noted)
    done = client.chat.completions.create(model="any", messages=HELLO)
    options = asked[0]
    drawn = {name: options[name] for name in ("max_new_tokens", "do_sample", "temperature", "top_p", "top_k")}
    assert drawn == {"max_new_tokens": 256, "do_sample": True, "temperature": 0.6, "top_p": 0.9, "top_k": 0}
    assert done.usage is not None
    assert (done.usage.completion_tokens, done.choices[0].finish_reason) == (256, "length")
    assert done.model == "tiny-base"


def test_a_base_model_gets_the_texts_of_the_messages(model: HfModel) -> None:
    messages = [Message(Role.SYSTEM, "you"), Message(Role.USER, "how do i water a cactus")]
    assert model.render(messages) == "you\n\nhow do i water a cactus"


def test_a_template_renders_messages(folder: Path, tmp_path: Path) -> None:
    model = HfModel(str(folder), template=CHAT, name="chatty", device="cpu")
    assert model.render([Message(Role.USER, "water")]) == "[user] water [assistant]"
    broken = HfModel(str(folder), template="{{ raise_exception('no') }}", device="cpu")
    with pytest.raises(ModelError, match="refuses these messages"):
        broken.render([Message(Role.USER, "water")])


def test_streams_say_the_same_as_plain_answers(client: openai.OpenAI) -> None:
    more: Any = {"model": "m", "max_tokens": 20, "temperature": 0}
    plain = client.chat.completions.create(messages=HELLO, **more)
    options: Any = {"include_usage": True}
    events = list(client.chat.completions.create(messages=HELLO, stream=True, stream_options=options, **more))
    text = "".join(e.choices[0].delta.content or "" for e in events if e.choices)
    assert text == plain.choices[0].message.content
    assert len([e for e in events if e.choices and e.choices[0].delta.content]) > 5
    assert events[-2].choices[0].finish_reason == "length"
    assert events[-1].usage == plain.usage
    written = client.completions.create(model="m", prompt="how do i water a cactus", max_tokens=20, temperature=0)
    assert written.choices[0].text == text
    pieces = client.completions.create(
        model="m", prompt="how do i water a cactus", max_tokens=20, temperature=0, stream=True
    )
    assert "".join(e.choices[0].text for e in pieces) == text


def test_a_seed_repeats_and_choices_differ(client: openai.OpenAI) -> None:
    def ask(seed: int) -> str:
        done = client.completions.create(model="m", prompt="how do", max_tokens=30, seed=seed, temperature=2)
        return done.choices[0].text

    assert ask(1) == ask(1) != ask(2)
    both = client.completions.create(model="m", prompt=["how do", "water a"], n=2, max_tokens=5)
    assert [choice.index for choice in both.choices] == [0, 1, 2, 3]


def test_an_answer_ends_before_a_stop_text(model: HfModel) -> None:
    whole = model.write("how do i water", Sampling(40, 0)).text
    word = whole.split()[5]
    *pieces, last = model.stream("how do i water", Sampling(40, 0, stop=(word,)))
    assert last.text == whole[: whole.index(word)] == "".join(str(piece) for piece in pieces)  # type: ignore[union-attr]
    assert last.finish_reason == "stop"  # type: ignore[union-attr]


def test_whoever_leaves_ends_the_writing(model: HfModel) -> None:
    pieces = model.stream("how do i water", Sampling(400))
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert model.write("how do", Sampling(2, 0)).completion_tokens == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": 3},
        {"top_p": 0},
        {"max_tokens": 0},
        {"stop": [1]},
        {"n": 17},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
        {"messages": [{"role": "user", "content": "water " * 600}]},
    ],
)
def test_wrong_requests_are_400(client: openai.OpenAI, wrong: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(**{"model": "m", "messages": HELLO, **wrong})


def test_what_is_no_model_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no causal model"):
        HfModel(str(tmp_path))


def test_a_gateway_stands_in_front_of_it(model: HfModel) -> None:
    with Background(create_app(model)) as upstream:
        for template in ("", "plain"):
            with rig(upstream_url=upstream.url + "/v1", upstream__template=template) as gateway:
                sdk = openai.OpenAI(base_url=gateway.url + "/v1", api_key="x")
                done = sdk.chat.completions.create(model="tiny-base", messages=HELLO, max_tokens=8, temperature=0)
                assert done.choices[0].message.content
                events = sdk.chat.completions.create(
                    model="tiny-base", messages=HELLO, max_tokens=8, temperature=0, stream=True
                )
                text = "".join(event.choices[0].delta.content or "" for event in events if event.choices)
                assert text == done.choices[0].message.content
                sdk.close()
