"""What follows from each way in which a target can fail: one table, read by the dispatcher.

*Retry* asks the same deployment again and is only for requests that were not accepted. *Fallback* asks the next
deployment of the list. A failure *counts* where it speaks against the deployment (its breaker notes it), and is
*billed* where the target may have done the work: then the attempt is priced by an estimate.
"""

from __future__ import annotations

import msgspec

from crossover.errors import UpstreamKind


class Fault(msgspec.Struct, frozen=True):
    """``retry`` the same deployment, ``fallback`` to the next, ``counts`` against it, ``billed`` perhaps."""

    retry: bool
    fallback: bool
    counts: bool
    billed: bool


FAULTS: dict[UpstreamKind, Fault] = {
    #                            retry  fallback counts billed
    "refused": Fault(True, True, True, False),
    "tls": Fault(False, True, True, False),
    "connect_timeout": Fault(True, True, True, False),
    "reset": Fault(True, True, True, True),
    "first_byte_timeout": Fault(False, True, True, True),
    "gap_timeout": Fault(False, True, True, True),
    "total_timeout": Fault(False, True, True, True),
    "cut": Fault(False, True, True, True),
    "empty": Fault(False, True, True, True),
    "malformed": Fault(False, True, True, True),
    "rate_limited": Fault(True, True, True, False),
    "overloaded": Fault(True, True, True, False),
    "quota": Fault(False, True, True, False),
    "auth": Fault(False, True, True, False),
    "not_found": Fault(False, True, True, False),
    "bad_request": Fault(False, False, False, False),
    "context_length": Fault(False, True, False, False),
    "server_error": Fault(False, True, True, False),
    "unsupported": Fault(False, True, False, False),
}
