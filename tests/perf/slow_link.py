"""A link with latency, for ssh's ProxyCommand: what goes through it arrives DELAY milliseconds later, each way.

slow_link.py HOST PORT DELAY

Bandwidth stays as it is: every piece is held back by the delay, not the pieces after it.
"""

import asyncio
import os
import sys

_PIECE_BYTES = 1 << 16


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    loop = asyncio.get_running_loop()
    held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, piece = await held.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not piece:
                break
            writer.write(piece)
            await writer.drain()
        writer.close()

    delivery = asyncio.create_task(deliver())
    piece = b"begin"
    while piece:
        piece = await reader.read(_PIECE_BYTES)
        held.put_nowait((loop.time() + delay_s, piece))
    await delivery


async def _link(host: str, port: int, delay_s: float) -> None:
    loop = asyncio.get_running_loop()
    near_in = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(near_in), os.fdopen(0, "rb"))
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.streams.FlowControlMixin(loop=loop), os.fdopen(1, "wb")
    )
    near_out = asyncio.StreamWriter(transport, protocol, None, loop)
    far_in, far_out = await asyncio.open_connection(host, port)
    both = [
        asyncio.create_task(_forward(near_in, far_out, delay_s)),
        asyncio.create_task(_forward(far_in, near_out, delay_s)),
    ]
    _, pending = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    for each in pending:
        each.cancel()


if __name__ == "__main__":
    asyncio.run(_link(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) / 1000))
