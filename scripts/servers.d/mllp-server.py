"""An MLLP server over TLS that acknowledges every HL7 message; started by scripts/servers.

arguments: PORT and those of python_tls
"""

import asyncio
import sys

from hl7.mllp import start_hl7_server
from python_tls import tls_context


async def acknowledge(reader, writer):
    try:
        while not writer.is_closing():
            message = await reader.readmessage()
            print("acknowledged", message.extract_field("MSH", 1, 10), flush=True)
            writer.writemessage(message.create_ack())
            await writer.drain()
    except (asyncio.IncompleteReadError, OSError):
        pass
    finally:
        writer.close()


async def main(port, *how):
    context = tls_context(*how)
    async with await start_hl7_server(acknowledge, host="127.0.0.1", port=int(port), ssl=context) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
