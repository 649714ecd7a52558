"""What every event, and all that stands in one, is made of."""

from typing import dataclass_transform

from msgspec import Struct, field


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Frozen(Struct, frozen=True, gc=False, omit_defaults=True):
    """An immutable value: never part of a cycle, and packed without the fields that have their default."""
