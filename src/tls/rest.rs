//! Rests in the middle of a handshake: rustls goes through a whole flight of the server in one turn, a quarter of a millisecond
//! of cryptography, and calls out to us between its operations. What else is due on this thread can
//! be begun there. Knows nothing of what that is.

use std::cell::RefCell;
use std::rc::Rc;

thread_local! {
    static REST: RefCell<Option<Rc<dyn Fn()>>> = const { RefCell::new(None) };
}

/// Keeps what is done at rests; dropping it ends that.
#[derive(Debug)]
pub struct Rests(());

impl Rests {
    /// Does something at every rest of a client's handshake on this thread. It must not drive a session.
    #[must_use]
    pub fn used_for(work: Rc<dyn Fn()>) -> Self {
        REST.set(Some(work));
        Self(())
    }
}

impl Drop for Rests {
    fn drop(&mut self) {
        REST.take();
    }
}

/// Between two operations of a client's handshake.
pub(super) fn rest() {
    let work = REST.with_borrow(Option::clone);
    if let Some(work) = work {
        work();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::{
        ClientTls, ClientTlsSpec, ServerAuth, ServerTls, ServerTlsSpec, session_in_memory,
    };
    use super::*;
    use crate::pki::{Pki, PkiSpec};
    use crate::scenario::{ProviderName, TicketMode, TlsVersion, Verify};

    #[test]
    fn a_full_handshake_has_rests_before_each_of_its_long_operations() {
        let pki = Pki::mint(&PkiSpec::default()).unwrap();
        let client = ClientTls::new(&ClientTlsSpec {
            provider: ProviderName::default(),
            versions: &[TlsVersion::Tls13],
            groups: &[],
            suites: &[],
            alpn: &[],
            server_name: "localhost",
            roots: Some(pki.roots()),
            crls: &[],
            verify: Verify::default(),
            identity: pki.clients().first(),
            resumption: None,
        })
        .unwrap();
        let server = ServerTls::new(&ServerTlsSpec {
            provider: ProviderName::default(),
            versions: &[TlsVersion::Tls13],
            identity: pki.server(),
            auth: ServerAuth::Required(pki.roots().to_vec().into()),
            tickets: TicketMode::Off,
            alpn: &[],
        })
        .unwrap();
        let rests = Rc::new(Cell::new(0));
        let counted = Rc::clone(&rests);
        let used = Rests::used_for(Rc::new(move || counted.set(counted.get() + 1)));
        session_in_memory(&client, &server, false).unwrap();
        // The choice of a certificate, the chain, the signature over the handshake.
        assert_eq!(rests.get(), 3);
        drop(used);
        session_in_memory(&client, &server, false).unwrap();
        assert_eq!(rests.get(), 3);
    }
}
