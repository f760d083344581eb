"""The one client to models: pooled HTTP/1.1 over asyncio protocols, lean enough to disappear behind a model's answer.

::

    transport = Transport()
    place = endpoint("https://api.example.com/v1")
    start = head(place, "POST", "/chat/completions", [("authorization", f"Bearer {key}"), ("content-type", JSON)])
    with await transport.send(place, start, body, timeouts) as reply:
        whole = await reply.read()          # or: while piece := await reply.piece(): …

``head`` is built once per target, not per call. Errors are ``UpstreamError`` with ``accepted``: whether the work may
have been done. No connection (refused, time-out, TLS, proxy): not accepted. Once a request was written: accepted,
with one exception, the *keep-alive race*. A server may close an idle connection in the very moment a request goes out
on it. A POST must not be repeated on a guess (RFC 9110 9.2.2), so nothing is guessed. Where a used connection ends
with a FIN, without one byte of an answer, and the kernel says that the peer has acknowledged not one byte of the
request, then the FIN was sent before the request came: no application can have seen it, and it is sent once more, on
a new connection. After a RST, and where the kernel cannot say (not Linux), the request counts as accepted: ``reset``.
Every connection is looked at for a close before it is used again. A server that ends connections right behind its
answers (llama.cpp's, behind streams) is known by the first that it ends so, and asked on new ones from then on.

Time-outs cost no timer per call: every busy connection has a deadline, and one sweep every 30 ms fails the late ones.
``first_byte`` runs from the request to the first byte of the answer's body (the headers of a stream come long before
its first token), ``gap`` from one byte of the body to the next, ``total`` from the call to the end of the answer.
While the reader of an answer is slower than the server, reading pauses and the gap is not the server's.

Left out on purpose: HTTP/2 and 3, redirects (a 3xx is an answer like any other), cookies, caching, ``Expect``,
upgrades, HEAD, request bodies in pieces, answers to requests that were not asked. Every request says
``accept-encoding: identity``; gzip and deflate are undone all the same, other encodings are ``malformed``. The
environment is not read: proxies and certificates are said in the endpoint. Link-local addresses and the metadata
services of clouds are never connected to, whatever a name resolves to.
"""

from crossover.transport.endpoint import Endpoint, endpoint, head
from crossover.transport.pool import Stats, Transport
from crossover.transport.reply import Reply

__all__ = ["Endpoint", "Reply", "Stats", "Transport", "endpoint", "head"]
