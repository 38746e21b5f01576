"""The static filter that many applications start with: what a careful engineer would block by keyword in an afternoon.

It is a baseline, not a product: written once, from general knowledge, and calibrated on nothing.
"""

_VERB = r"(?:make|build|create|construct|design|develop|write|generate|produce|synthesi[sz]e|obtain|buy|get|use)"

KEYWORD_PATTERNS: tuple[str, ...] = (
    # Weapons and explosives
    r"(?i)\b(?:pipe|nail|fertili[sz]er|dirty|petrol)[ -]?bombs?\b",
    rf"(?i)\b{_VERB}\b.{{0,40}}\b(?:bombs?|explosives?|grenades?|molotov|detonators?)\b",
    r"(?i)\b(?:nerve agent|chemical weapon|biological weapon|ricin|anthrax|sarin)s?\b",
    rf"(?i)\b{_VERB}\b.{{0,40}}\b(?:ghost guns?|untraceable (?:gun|firearm|weapon)s?|silencers?)\b",
    # Computer crime
    r"(?i)\b(?:hack|break|breach)(?:ing|s)?\s+(?:into|in to)\b",
    r"(?i)\b(?:malware|ransomware|keylogger|spyware|rootkit|botnet|trojan)s?\b",
    r"(?i)\b(?:ddos|denial[ -]of[ -]service|sql injection|phishing)\b.{0,30}\b(?:attack|e-?mails?|campaigns?|sites?)\b",
    r"(?i)\b(?:crack|steal|bypass)(?:ing|s)?\b.{0,25}\b(?:passwords?|logins?|security|antivirus|two-factor)\b",
    # Theft and fraud
    r"(?i)\bidentity theft\b|\bsteal(?:ing|s)?\b.{0,30}\bidentit(?:y|ies)\b",
    r"(?i)\b(?:credit card|insurance|tax|wire|bank)\s+(?:fraud|theft)\b",
    r"(?i)\b(?:launder(?:ing|s)?\s+money|money laundering|counterfeit(?:ing)?|ponzi|pyramid scheme|insider trading)\b",
    r"(?i)\b(?:steal|shoplift|rob|burgl(?:e|ari[sz]e))(?:ing|s)?\b.{0,30}\b(?:stores?|shops?|banks?|cars?|house)\b",
    # Violence
    r"(?i)\b(?:how to|ways? to|plan to|guide to|help me)\b.{0,30}\b(?:kill|murder|assassinate|poison|torture|kidnap)\b",
    r"(?i)\b(?:mass shooting|school shooting|terror(?:ist)? attack)s?\b",
    # Drugs
    rf"(?i)\b{_VERB}\b.{{0,40}}\b(?:meth|methamphetamine|heroin|cocaine|fentanyl|lsd|mdma|illegal drugs?)\b",
    # Self-harm, hate, harassment
    r"(?i)\b(?:commit(?:ting)? suicide|kill myself|self[- ]harm|anorexi[ac])\b",
    r"(?i)\b(?:racist|sexist|homophobic|antisemitic|neo-?nazi|white suprem\w+)\b.{0,30}\b(?:jokes?|posts?|speech)\b",
    r"(?i)\b(?:stalk|harass|blackmail|cyberbully|dox)(?:ing|s)?\b",
    # Words that try to switch a model's rules off
    r"(?i)\bignore\b.{0,20}\b(?:previous|prior|above|all)\b.{0,20}\b(?:instructions?|rules?)\b",
    r"(?i)\b(?:do anything now|jailbreak|without (?:any )?(?:restrictions?|filters?|ethical))\b",
)
"""RE2 patterns, searched in the prompt."""
