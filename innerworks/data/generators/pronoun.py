"""Gendered pronouns: the pronoun that goes with a name."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from innerworks.data.draft import Draft, filled
from innerworks.data.sources import Kind
from innerworks.data.tables import table
from innerworks.data.task import Task
from innerworks.data.words import Words

__all__ = ["pronoun"]

_TEMPLATES = (
    "So {name} is a really great friend, isn't",
    "So {name} was a very good student, wasn't",
    "Yesterday {name} stayed at home because",
    "Everyone likes {name} because",
    "We waited for {name}, but in the end",
    "I have known {name} for years, and",
    "Nobody understood {name} when",
    "They asked {name} whether",
)
_PRONOUNS = {"female": " she", "male": " he"}


def pronoun(n: int | None = 64, seed: int = 0, *, corruption: str = "gender") -> Task:
    """The pronoun of a name: "So Mary is a really great friend, isn't" → " she", not " he".

    Groups: female, male. Roles: name, end. Corruptions: "gender" puts a name of the other gender, so that the answer
    becomes the foil; "same" another name of the same one, and the answer stays. What misleads: it measures which
    pronoun a model has seen with a name, which is a habit of texts and not a fact about anyone.
    Mathwin et al. 2023, "Identifying a preliminary circuit for predicting gendered pronouns in GPT-2 small".
    """
    return Task(_KIND.recipe(n, seed, corruption=corruption))


def _drafts(words: Words, rng: Random, *, corruption: str) -> Iterator[Draft]:
    names = {gender: words.single(table("names")[gender], "name") for gender in _PRONOUNS}
    other = {"female": "male", "male": "female"}
    while all(len(some) >= 2 for some in names.values()):
        gender, number = rng.choice(("female", "male")), rng.randrange(len(_TEMPLATES))
        changed = other[gender] if corruption == "gender" else gender
        name = rng.choice(names[gender])
        instead = rng.choice([one for one in names[changed] if one != name])
        yield Draft(
            filled(_TEMPLATES[number], {"name": name}),
            filled(_TEMPLATES[number], {"name": instead}),
            (_PRONOUNS[gender],),
            (_PRONOUNS[other[gender]],),
            (_PRONOUNS[changed],),
            gender,
            {"template": str(number)},
        )


_KIND = Kind("pronoun", "the pronoun of a name", _drafts, {"gender": ("name",), "same": ("name",)})
