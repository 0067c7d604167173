//! stub
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
#[derive(Debug)]
pub struct Identity {
    pub name: String,
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}
