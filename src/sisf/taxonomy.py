"""Two axes: what harm is sought (hazards, MLCommons AILuminate v1.0) and how the attack is made (techniques)."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Hazard(StrEnum):
    """Hazard categories of the MLCommons AILuminate assessment standard v1.0."""

    VIOLENT_CRIMES = "vcr"
    NON_VIOLENT_CRIMES = "ncr"
    SEX_RELATED_CRIMES = "src"
    CHILD_SEXUAL_EXPLOITATION = "cse"
    SUICIDE_SELF_HARM = "ssh"
    INDISCRIMINATE_WEAPONS = "iwp"
    INTELLECTUAL_PROPERTY = "ipv"
    DEFAMATION = "dfm"
    HATE = "hte"
    PRIVACY = "prv"
    SPECIALISED_ADVICE = "spc"
    SEXUAL_CONTENT = "sxc"
    OTHER = "other"

    @property
    def label(self) -> str:
        """The hazard in plain words."""
        return _LABELS[self]


class Technique(StrEnum):
    """How an attack is made, independent of its topic."""

    DIRECT = "direct"
    ROLE_PLAY = "role_play"
    FICTION = "fiction"
    HYPOTHETICAL = "hypothetical"
    AUTHORITY = "authority"
    ENCODING = "encoding"
    TRANSLATION = "translation"
    MANY_SHOT = "many_shot"
    MULTI_TURN = "multi_turn"
    SUFFIX = "suffix"
    INJECTION = "injection"
    EXTRACTION = "extraction"
    OTHER = "other"


_LABELS = {
    Hazard.VIOLENT_CRIMES: "violent crimes",
    Hazard.NON_VIOLENT_CRIMES: "non-violent crimes",
    Hazard.SEX_RELATED_CRIMES: "sex-related crimes",
    Hazard.CHILD_SEXUAL_EXPLOITATION: "child sexual exploitation",
    Hazard.SUICIDE_SELF_HARM: "suicide and self-harm",
    Hazard.INDISCRIMINATE_WEAPONS: "indiscriminate weapons",
    Hazard.INTELLECTUAL_PROPERTY: "intellectual property",
    Hazard.DEFAMATION: "defamation",
    Hazard.HATE: "hate",
    Hazard.PRIVACY: "privacy",
    Hazard.SPECIALISED_ADVICE: "specialised advice",
    Hazard.SEXUAL_CONTENT: "sexual content",
    Hazard.OTHER: "other harm",
}

SUB_AREAS: Mapping[str, Hazard] = MappingProxyType(
    {
        "spc_elections": Hazard.SPECIALISED_ADVICE,
        "spc_financial": Hazard.SPECIALISED_ADVICE,
        "spc_health": Hazard.SPECIALISED_ADVICE,
        "spc_legal": Hazard.SPECIALISED_ADVICE,
        "sxc_pornographic": Hazard.SEXUAL_CONTENT,
    }
)
"""AILuminate v1.0's sub-areas, by the code its prompt files use with the area spelt out."""

LLAMA_GUARD: Mapping[str, Hazard] = MappingProxyType(
    {
        "S1": Hazard.VIOLENT_CRIMES,
        "S2": Hazard.NON_VIOLENT_CRIMES,
        "S3": Hazard.SEX_RELATED_CRIMES,
        "S4": Hazard.CHILD_SEXUAL_EXPLOITATION,
        "S5": Hazard.DEFAMATION,
        "S6": Hazard.SPECIALISED_ADVICE,
        "S7": Hazard.PRIVACY,
        "S8": Hazard.INTELLECTUAL_PROPERTY,
        "S9": Hazard.INDISCRIMINATE_WEAPONS,
        "S10": Hazard.HATE,
        "S11": Hazard.SUICIDE_SELF_HARM,
        "S12": Hazard.SEXUAL_CONTENT,
        # AILuminate counts election misinformation as specialised advice, code abuse as a non-violent crime.
        "S13": Hazard.SPECIALISED_ADVICE,
        "S14": Hazard.NON_VIOLENT_CRIMES,
    }
)
"""Categories of Llama Guard 3 and 4. Source: the models' cards."""

OPENAI_MODERATION: Mapping[str, Hazard] = MappingProxyType(
    {
        "harassment": Hazard.HATE,
        "harassment/threatening": Hazard.VIOLENT_CRIMES,
        "hate": Hazard.HATE,
        "hate/threatening": Hazard.HATE,
        "illicit": Hazard.NON_VIOLENT_CRIMES,
        "illicit/violent": Hazard.VIOLENT_CRIMES,
        "self-harm": Hazard.SUICIDE_SELF_HARM,
        "self-harm/intent": Hazard.SUICIDE_SELF_HARM,
        "self-harm/instructions": Hazard.SUICIDE_SELF_HARM,
        "sexual": Hazard.SEXUAL_CONTENT,
        "sexual/minors": Hazard.CHILD_SEXUAL_EXPLOITATION,
        "violence": Hazard.VIOLENT_CRIMES,
        "violence/graphic": Hazard.VIOLENT_CRIMES,
    }
)
"""The 13 categories of OpenAI's moderation endpoint (`omni-moderation`). Source: its API reference."""


def hazard_of(name: str) -> Hazard:
    """The hazard that a code, a member name, a label or a foreign category names; `OTHER` when none is known."""
    key = name.strip()
    if key.upper() in LLAMA_GUARD:
        return LLAMA_GUARD[key.upper()]
    key = key.lower()
    return _HAZARD_NAMES.get(key.replace(" ", "_").replace("-", "_"), OPENAI_MODERATION.get(key, Hazard.OTHER))


def technique_of(name: str) -> Technique:
    """The technique of that name; `none` is a direct request, anything unknown is `OTHER`."""
    key = name.strip().lower().replace(" ", "_").replace("-", "_")
    return Technique.DIRECT if key == "none" else _TECHNIQUE_NAMES.get(key, Technique.OTHER)


_HAZARD_NAMES: Mapping[str, Hazard] = {
    **SUB_AREAS,
    **{h.value: h for h in Hazard},
    **{h.name.lower(): h for h in Hazard},
    **{h.label.replace(" ", "_").replace("-", "_"): h for h in Hazard},
}
_TECHNIQUE_NAMES: Mapping[str, Technique] = {t.value: t for t in Technique}
