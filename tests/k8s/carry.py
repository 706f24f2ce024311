"""What comes at one end goes to the other, until it ends there: for the balancers that stand in for a cloud's."""
import asyncio


async def carry(reader, writer):
    try:
        while part := await reader.read(65536):
            writer.write(part)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.transport.abort()


async def join(reader, writer, up_reader, up_writer):
    """A client's connection and one to whom it is to reach, until both have ended."""
    await asyncio.gather(carry(reader, up_writer), carry(up_reader, writer))
    up_writer.close()
    writer.close()
