"""The sizes that Lens was trained to draw, by base resolution and aspect ratio. Any other multiple of 16 is drawn, too, less well."""

from collections.abc import Mapping
from types import MappingProxyType

from generator.local import Size

BUCKETS: Mapping[int, Mapping[str, Size]] = MappingProxyType(
    {
        1024: MappingProxyType(
            {
                "1:2": Size(736, 1472),
                "9:16": Size(768, 1376),
                "2:3": Size(832, 1248),
                "3:4": Size(864, 1152),
                "1:1": Size(1024, 1024),
                "4:3": Size(1152, 864),
                "3:2": Size(1248, 832),
                "16:9": Size(1376, 768),
                "2:1": Size(1472, 736),
            }
        ),
        1440: MappingProxyType(
            {
                "1:2": Size(1040, 2080),
                "9:16": Size(1088, 1936),
                "2:3": Size(1168, 1760),
                "3:4": Size(1216, 1616),
                "1:1": Size(1440, 1440),
                "4:3": Size(1616, 1216),
                "3:2": Size(1760, 1168),
                "16:9": Size(1936, 1088),
                "2:1": Size(2080, 1040),
            }
        ),
    }
)
"""By base resolution (the side of the square), then by ratio, width to height. Source: the released code."""
