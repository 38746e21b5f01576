"""The known public sets: where each comes from, under which licence, how it is read, and the hash that pins it.

A set is pinned by the hash of its content where that was at hand and hashed, or by the hash of the file at a fixed
revision where several public projects that pin the same file agree on it. The others are `unpinned`: they are fetched
only when that is asked for. Sizes and counts of rows are given by the same rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sisf.datasets.columns import Columns

_HUB = "https://huggingface.co/datasets/"
_GITHUB = "https://raw.githubusercontent.com/"


@dataclass(frozen=True, slots=True)
class Source:
    """One public set."""

    what: str
    """In a few words."""
    repository: str
    licence: str
    columns: Columns
    url: str = ""
    """Empty: nobody but a person who accepted the terms, or knows the file, can fetch it; `by_hand` says what to do."""
    revision: str = ""
    """The commit in the address; empty where the address follows a branch."""
    content: str = ""
    """The hash of its texts (see `content_hash`), not of the file that carries them; empty where nobody had them."""
    file: str = ""
    """The SHA-256 of the file that is fetched, as others have published it; empty where none is known."""
    rows: int | None = None
    size: int | None = None
    """Bytes of the file that is fetched, where they were counted."""
    by_hand: str = ""

    @property
    def pinned(self) -> bool:
        """Whether what it holds is known; else it is `unpinned`."""
        return bool(self.content or self.file)


def _jailbreakbench(kind: str, label: str, content: str) -> Source:
    return Source(
        f"JailbreakBench {kind} behaviours",
        "huggingface.co/datasets/JailbreakBench/JBB-Behaviors",
        "MIT",
        Columns(text=("Goal",), label="harmful" if label == "harmful" else "benign", category="Category"),
        url=f"{_HUB}JailbreakBench/JBB-Behaviors/resolve/main/data/{kind}-behaviors.csv",
        content=content,
        rows=100,
    )


SOURCES: Mapping[str, Source] = {
    "advbench": Source(
        "AdvBench's 520 prompts, with what Mistral-7B-v0.1 answered in the paper's own run without a defence",
        "github.com/Tslater01/SISF",
        "MIT",
        Columns(
            text=("prompt_text",),
            label="harmful",
            response="system_response",
            fixed=(("attack", "none"), ("response_model", "mistralai/Mistral-7B-v0.1")),
        ),
        url=f"{_GITHUB}Tslater01/SISF/931a053fa9aa900c405848aecdfcb812685d0ba4/outputs/"
        "Baseline_No_Defense_Evaluation_adversarial_20251026_180602.csv",
        revision="931a053fa9aa900c405848aecdfcb812685d0ba4",
        content="e25e702ff6ed84982c3ce353ae97609d29a35c6a10450a591651afbdb7bf9d93",
        rows=520,
    ),
    "jbb_harmful": _jailbreakbench(
        "harmful", "harmful", "8ae02c4f28a0778a26b9f461dcb2768b8516abb640f9f22d55eba74f14b42d2f"
    ),
    "jbb_benign": _jailbreakbench(
        "benign", "benign", "7b6abbbfddd0018dd7e5e21e848507a1bae790b0b39b593aca7c72c61607ec24"
    ),
    "harmbench": Source(
        "HarmBench text behaviours",
        "github.com/centerforaisafety/HarmBench",
        "MIT",
        Columns(text=("Behavior",), label="harmful", category="SemanticCategory", keep=("FunctionalCategory",)),
        url=f"{_GITHUB}centerforaisafety/HarmBench/8e1604d1171fe8a48d8febecd22f600e462bdcdd/data/behavior_datasets/"
        "harmbench_behaviors_text_all.csv",
        revision="8e1604d1171fe8a48d8febecd22f600e462bdcdd",
        file="8d81accedd38eaaf8b760618622bb888417d1fd0c86eba65c427a16f1cbb4afc",
        rows=400,
    ),
    "xstest": Source(
        "safe prompts that sound unsafe, and unsafe contrasts",
        "github.com/paul-rottger/xstest",
        "CC-BY-4.0",
        Columns(text=("prompt",), label_column="label", category="type"),
        url=f"{_GITHUB}paul-rottger/xstest/d7bb5bd738c1fcbc36edd83d5e7d1b71a3e2d84d/xstest_prompts.csv",
        revision="d7bb5bd738c1fcbc36edd83d5e7d1b71a3e2d84d",
        file="11783fb294ed017473ee53c207d71f2161c7672c8d0b037501e78387f801cb5a",
        rows=450,
        size=38_719,
    ),
    "or_bench": Source(
        "OR-Bench hard: benign prompts that models refuse",
        "huggingface.co/datasets/bench-llm/or-bench",
        "CC-BY-4.0",
        Columns(text=("prompt",), label="benign", category="category"),
        url=f"{_HUB}bench-llm/or-bench/resolve/e36d8b80e81837c8a8f264bbb2a49f1b32c7e272/or-bench-hard-1k.csv",
        revision="e36d8b80e81837c8a8f264bbb2a49f1b32c7e272",
        file="a6e2f1166416efe5901f3bb05c47dc92ab3aca3acfe143693d38b8057d841e6d",
        rows=1_319,
        size=169_255,
    ),
    "strongreject": Source(
        "forbidden prompts of the StrongREJECT benchmark",
        "github.com/alexandrasouly/strongreject",
        "MIT",
        Columns(text=("forbidden_prompt",), label="harmful", category="category"),
        url=f"{_GITHUB}alexandrasouly/strongreject/f7cad6c17e624e21d8df2278e918ae1dddb4cb56/"
        "strongreject_dataset/strongreject_dataset.csv",
        revision="f7cad6c17e624e21d8df2278e918ae1dddb4cb56",
        file="4dd70357e4ff8b5d0ba5ebafecab5d6dd5633ce8046e3dd1c8bd93e64de44381",
        rows=313,
        size=56_359,
    ),
    "do_not_answer": Source(
        "instructions that a responsible model does not follow",
        "huggingface.co/datasets/LibrAI/do-not-answer",
        "CC-BY-NC-SA-4.0",
        Columns(text=("question",), label="harmful", category="types_of_harm"),
        by_hand="download data_en.csv (or the Parquet file) of the repository",
    ),
    "wildguardtest": Source(
        "WildGuardTest: prompts with answers, harm of both labelled by people",
        "huggingface.co/datasets/allenai/wildguardmix",
        "ODC-BY",
        Columns(
            text=("prompt",),
            label_column="prompt_harm_label",
            response="response",
            human_label="response_harm_label",
            category="subcategory",
        ),
        by_hand="accept the terms on its page, download test/wildguard_test.parquet",
    ),
    "toxicchat": Source(
        "ToxicChat: what people said to a chat model, toxicity labelled",
        "huggingface.co/datasets/lmsys/toxic-chat",
        "CC-BY-NC-4.0",
        Columns(
            text=("user_input",), id="conv_id", label_column="toxicity", response="model_output", keep=("jailbreaking",)
        ),
        url=f"{_HUB}lmsys/toxic-chat/resolve/29df8e4dba60e1f4af4b4075c0705c5b313548a8/data/0124/"
        "toxic-chat_annotation_test.csv",
        revision="29df8e4dba60e1f4af4b4075c0705c5b313548a8",
        file="3c2e49889626f7738dca0a29bface0ba0a0595b2ffdd17f0e02f19df7c3c4c9b",
        rows=5_083,
    ),
    "beavertails": Source(
        "BeaverTails: pairs of question and answer, safety of the answer labelled by people",
        "huggingface.co/datasets/PKU-Alignment/BeaverTails",
        "CC-BY-NC-4.0",
        Columns(text=("prompt",), response="response", human_label="is_safe"),
        by_hand="download one of the .jsonl.gz or .jsonl.xz files of the repository",
    ),
    "alpaca": Source(
        "Stanford Alpaca: benign instructions",
        "github.com/tatsu-lab/stanford_alpaca",
        "CC-BY-NC-4.0",
        Columns(text=("instruction", "input"), label="benign"),
        url=f"{_GITHUB}tatsu-lab/stanford_alpaca/761dc5bfbdeeffa89b8bff5d038781a4055f796a/alpaca_data.json",
        revision="761dc5bfbdeeffa89b8bff5d038781a4055f796a",
        file="2eddafc6b977608d778aaab8dfc7e50e547b3af9826dfb9e909d9fc362e4a419",
        rows=52_002,
    ),
    "dolly": Source(
        "Databricks Dolly: benign instructions that people wrote",
        "huggingface.co/datasets/databricks/databricks-dolly-15k",
        "CC-BY-SA-3.0",
        Columns(text=("instruction", "context"), label="benign", category="category"),
        url=f"{_HUB}databricks/databricks-dolly-15k/resolve/bdd27f4d94b9c1f951818a7da7fd7aeea5dbff1a/"
        "databricks-dolly-15k.jsonl",
        revision="bdd27f4d94b9c1f951818a7da7fd7aeea5dbff1a",
        file="2df9083338b4abd6bceb5635764dab5d833b393b55759dffb0959b6fcbf794ec",
        rows=15_011,
        size=13_085_339,
    ),
    "in_the_wild": Source(
        "jailbreak prompts from forums and chat groups, with their dates",
        "github.com/verazuo/jailbreak_llms",
        "MIT",
        Columns(text=("prompt",), label="harmful", attack="community", keep=("platform", "date")),
        url=f"{_GITHUB}verazuo/jailbreak_llms/main/data/prompts/jailbreak_prompts_2023_12_25.csv",
    ),
    "multijail": Source(
        "MultiJail: harmful prompts in ten languages, a record for each",
        "huggingface.co/datasets/DAMO-NLP-SG/MultiJail",
        "MIT",
        Columns(text=("en", "zh", "it", "vi", "ar", "ko", "th", "bn", "sw", "jv"), each=True, label="harmful"),
        url=f"{_HUB}DAMO-NLP-SG/MultiJail/resolve/main/MultiJail.csv",
    ),
}
"""By name."""
