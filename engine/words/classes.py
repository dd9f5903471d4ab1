"""The cache classes: what a change of a word means for work that is done."""

from enum import StrEnum


class CacheClass(StrEnum):
    """What a change of the word's value means for work that is already done."""

    IDENTITY = "identity"  # changes what is learnt or made: part of every key that sees it
    NUMERICS = "numerics"  # the same mathematics, rounded differently: recorded, not in a key
    EXTEND = "extend"  # a longer run of the same training: resumes
    RUNTIME = "runtime"  # how fast or where, never what: in no key
    LOCATION = "location"  # where something lies: the digest of its content stands in
    LABEL = "label"  # for people


# what a hardware profile may set: it says how, never what
HOW = (CacheClass.NUMERICS, CacheClass.RUNTIME, CacheClass.LABEL)
