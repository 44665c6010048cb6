#!/usr/bin/env python3
"""Passes TCP connections on, and what they carry later: a delay where the kernel has no netem.

    python3 checks/late.py MILLISECONDS FROM=TO...

Listens on each port FROM, on all addresses, and connects to the port TO of this host. Each direction is late by so many
milliseconds; nothing changes its order. Used by cluster_net.py, in the namespace of each NATS server. Ends with SIGTERM. Needs only
Python 3.8."""

import asyncio
import sys

# What may be on its way in one direction, in pieces of up to 64 KiB. Then the sender waits, as with a full socket.
ON_THE_WAY = 256


async def carry(reader, writer, seconds):
    """One direction, until its sender ends or its receiver is gone."""
    loop = asyncio.get_running_loop()
    pieces = asyncio.Queue(ON_THE_WAY)

    async def takes():
        data = b"?"
        while data:
            try:
                data = await reader.read(1 << 16)
            except OSError:
                data = b""
            await pieces.put((loop.time() + seconds, data))

    taking = asyncio.ensure_future(takes())
    try:
        while True:
            due, data = await pieces.get()
            await asyncio.sleep(max(0, due - loop.time()))
            if not data:
                return
            writer.write(data)
            await writer.drain()
    except OSError:
        return
    finally:
        taking.cancel()


async def passes(reader, writer, port, seconds):
    """A connection. When one direction ends, both do."""
    try:
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        writer.transport.abort()
        return
    both = [asyncio.ensure_future(carry(*way, seconds)) for way in ((reader, to_writer), (to_reader, writer))]
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    for one in both:
        one.cancel()
    for end in (writer, to_writer):
        end.close()


async def main(milliseconds, ports):
    servers = []
    for listen, to in ports:
        def accepts(reader, writer, to=to):
            return passes(reader, writer, to, milliseconds / 1000)
        servers.append(await asyncio.start_server(accepts, "0.0.0.0", listen))
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), [tuple(map(int, pair.split("="))) for pair in sys.argv[2:]]))
