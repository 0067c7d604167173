"""An SMTP server that knows STARTTLS; started by scripts/servers.

arguments: PORT and those of python_tls
"""

import asyncio
import sys

from aiosmtpd.smtp import SMTP
from python_tls import tls_context


class Handler:
    def handle_STARTTLS(self, server, session, envelope):
        print("TLS", session.peer, flush=True)
        return True


async def main(port, *how):
    context = tls_context(*how)
    loop = asyncio.get_running_loop()

    def session():
        return SMTP(Handler(), hostname="localhost", loop=loop, tls_context=context, require_starttls=True)

    server = await loop.create_server(session, "127.0.0.1", int(port), backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
