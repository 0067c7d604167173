"""A DICOM server over TLS that accepts associations for C-ECHO; started by scripts/servers.

arguments: PORT and those of python_tls
"""

import os
import sys

from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification
from python_tls import tls_context


def accepted(event):
    # In one piece, so that two threads' lines do not run into one another.
    os.write(sys.stdout.fileno(), f"associated {event.assoc.requestor.ae_title}\n".encode())


if __name__ == "__main__":
    port, *how = sys.argv[1:]
    entity = AE(ae_title="SERVER")
    entity.maximum_associations = 100
    entity.add_supported_context(Verification)
    entity.start_server(
        ("127.0.0.1", int(port)), ssl_context=tls_context(*how), evt_handlers=[(evt.EVT_ACCEPTED, accepted)]
    )
