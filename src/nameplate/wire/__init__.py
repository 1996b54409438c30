"""The vendor's protocol: parameters, signatures, operations, answers.

Knows nothing of devices; does no I/O.
"""
