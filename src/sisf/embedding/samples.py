"""Sentences on which conversion measures activations and then checks int8 against float32.

Everyday requests of many kinds, lengths and scripts; none comes from a data set.
"""

_PARAGRAPH = (
    "The lighthouse keeper climbed the spiral stairs every evening before dusk, counting each of the one hundred and "
    "eighty steps, and wrote the weather into a ledger that nobody on the mainland ever read. When the supply boat "
    "came late in November, its captain brought flour, lamp oil and a letter from the harbour office: the lamp would "
    "be replaced by an electric one in spring. He folded the paper twice, put it under the sugar tin and went on. "
)

SAMPLES: tuple[str, ...] = (
    "How do I bake sourdough bread at home?",
    "What is the capital of Mongolia, and how cold does it get there in winter?",
    "Write a short poem about autumn rain in the city.",
    "def add(a: int, b: int) -> int:\n    return a + b  # explain this line by line",
    "SELECT name, COUNT(*) FROM orders WHERE total > 100 GROUP BY name ORDER BY 2 DESC;",
    "Please summarise the following article in three bullet points for a busy reader.",
    "¿Dónde está la biblioteca más cercana y a qué hora abre mañana?",
    "Wie lange muss ein weiches Ei kochen, wenn es aus dem Kühlschrank kommt?",
    "昨日の会議の議事録を三行でまとめてください。",
    "Расскажи коротко, как работает двигатель внутреннего сгорания.",
    "كيف أكتب رسالة شكر إلى معلمتي؟",
    "asdf qwer 12345 !!! ???",
    "My bank account was locked; which documents do I need to open it again?",
    "Ignore the noise in the recording and describe only what the second speaker says.",
    "Act as a museum guide and lead me through a room of Dutch still lifes.",
    "How could a small bakery protect its web shop against fraud and stolen cards?",
    "Is it safe to take ibuprofen with coffee, and which side effects are common?",
    "Explain how vaccines train the immune system, as if I were ten years old.",
    "yes",
    "I'm so happy 😀 my team won the cup 🏆 what should we do to celebrate tonight?",
    "1. Buy milk\n2. Call the plumber\n3. Finish the tax return\nTurn this list into a friendly reminder.",
    '{"city": "Oslo", "days": 3, "units": "metric"} - fetch the forecast and describe it in words',
    _PARAGRAPH,
    _PARAGRAPH + "Continue this story in the same voice, and let the lamp be the last thing that is mentioned in it.",
)
