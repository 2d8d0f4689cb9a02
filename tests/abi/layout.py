"""Prints how ctypes lays out each struct, in the form of `go run ./cbuild layout`."""

import ctypes

from libmimir import _bindings

for name, size in _bindings.STRUCT_SIZES.items():
    struct = getattr(_bindings, name)
    assert ctypes.sizeof(struct) == size, f"{name}: STRUCT_SIZES says {size}"
    print(name, ctypes.sizeof(struct))
    for field, *_ in struct._fields_:
        place = getattr(struct, field)
        print(f"{name}.{field} {place.offset} {place.size}")
