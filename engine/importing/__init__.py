"""Configurations of other trainers → recipes. What a key means stands in ``tables/``; here is what reads them.

    documents → given keys → outcomes and words → recipe

Every key that is given ends in exactly one outcome: mapped, dropped with a reason, or unsupported with a reason.
"""
