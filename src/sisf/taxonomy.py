"""Two axes: what harm is sought (hazards, MLCommons AILuminate v1.0) and how the attack is made (techniques)."""

from enum import StrEnum


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
