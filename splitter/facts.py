"""What only an engine knows of live and of the images that a deploy asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known, by service or by the key of a volume.  What is not known is left out.

    `live_images` and `shadow_images` are image ids; what is still to be built has a text that is nobody's id.  Where
    both are known they say whether the image is another one; where one is, nobody can say; where neither is, equal
    names count as equal images.
    `volume_bytes` are the sizes of live's volumes.  `live_variables` and `shadow_variables` are the variables that
    images bring.  `lost_images` are the services of live whose image is not there any more, `drifted` the adopted ones
    of which it is not known whether they are what the template says.
    """

    live_images: Mapping[str, str] = field(default_factory=dict)
    shadow_images: Mapping[str, str] = field(default_factory=dict)
    volume_bytes: Mapping[str, int] = field(default_factory=dict)
    live_variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    shadow_variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    lost_images: frozenset[str] = frozenset()
    drifted: frozenset[str] = frozenset()


NO_FACTS = Facts()
