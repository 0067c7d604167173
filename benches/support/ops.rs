//! Single operations of a provider, through the traits by which rustls calls them.

use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, Iv, MessageDecrypter, MessageEncrypter, OutboundChunks,
    OutboundPlainMessage,
};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::pki_types::SignatureVerificationAlgorithm;
use rustls::sign::Signer;
use rustls::{ContentType, ProtocolVersion, Tls13CipherSuite};
use shakedown::crypto::scheme_name;
use shakedown::pki::{KeyAlgorithm, Pki};
use x509_parser::prelude::{FromDer, X509Certificate};

/// The length of what TLS 1.3 signs with SHA-256: 64 spaces, a context and a hash.
pub const SIGNED: [u8; 130] = [b' '; 130];
/// Bytes of the only keys that can be made outside rustls, of AES-256 and `ChaCha20`.
const LONG_KEY: usize = 32;

/// A key, a signature by it, and its verification algorithm.
pub struct Signing {
    signer: Box<dyn Signer>,
    algorithm: &'static dyn SignatureVerificationAlgorithm,
    public: Vec<u8>,
    signature: Vec<u8>,
}

impl Signing {
    /// The server's key, with the pinned scheme; none if the provider cannot use it.
    pub fn new(provider: &CryptoProvider, key: KeyAlgorithm, pki: &Pki) -> Option<Self> {
        let mut schemes = provider.signature_verification_algorithms.mapping.iter();
        let is = |scheme: u16| scheme_name(scheme) == key.scheme();
        let (scheme, algorithms) = schemes.find(|(scheme, _)| is((*scheme).into()))?;
        let server = pki.server();
        let loaded = provider
            .key_provider
            .load_private_key(server.key.der().unwrap().clone_key());
        let signer = loaded.ok()?.choose_scheme(&[*scheme])?;
        let (_, leaf) = X509Certificate::from_der(&server.chain[0]).unwrap();
        let public = leaf.public_key().subject_public_key.data.to_vec();
        let signature = signer.sign(&SIGNED).unwrap();
        // A scheme may have algorithms for several kinds of keys.
        let fits = |algorithm: &&&'static dyn SignatureVerificationAlgorithm| {
            algorithm
                .verify_signature(&public, &SIGNED, &signature)
                .is_ok()
        };
        let algorithm = *algorithms.iter().find(fits).unwrap();
        Some(Self {
            signer,
            algorithm,
            public,
            signature,
        })
    }

    pub fn sign(&self) -> Vec<u8> {
        self.signer.sign(&SIGNED).unwrap()
    }

    pub fn verify(&self) {
        let verified = (self.algorithm).verify_signature(&self.public, &SIGNED, &self.signature);
        verified.unwrap();
    }
}

/// The server's share, and the client's started exchange.
pub fn answered(
    group: &'static dyn SupportedKxGroup,
) -> (Box<dyn rustls::crypto::ActiveKeyExchange>, Vec<u8>) {
    let client = group.start().unwrap();
    let server = group.start_and_complete(client.pub_key()).unwrap();
    (client, server.pub_key)
}

/// Both directions of the protection of TLS 1.3 records.
pub struct Aead {
    seals: Box<dyn MessageEncrypter>,
    opens: Box<dyn MessageDecrypter>,
    /// The number of the next record: AWS-LC requires them in order from 0.
    next: u64,
}

impl Aead {
    /// Of a key of 32 bytes; none for suites with shorter keys, which only rustls can make.
    pub fn new(suite: &Tls13CipherSuite) -> Option<Self> {
        if suite.aead_alg.key_len() != LONG_KEY {
            return None;
        }
        let key = || AeadKey::from([7; LONG_KEY]);
        let iv = || Iv::from([9; 12]);
        Some(Self {
            seals: suite.aead_alg.encrypter(key(), iv()),
            opens: suite.aead_alg.decrypter(key(), iv()),
            next: 0,
        })
    }

    /// The payload of the next record, sealed.
    pub fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        let message = OutboundPlainMessage {
            typ: ContentType::ApplicationData,
            version: ProtocolVersion::TLSv1_3,
            payload: OutboundChunks::Single(plain),
        };
        let sealed = self.seals.encrypt(message, self.next).unwrap();
        self.next += 1;
        sealed.payload.as_ref().to_vec()
    }

    /// Opens the payload of the last record in place. Returns the length of the plaintext.
    pub fn open(&mut self, sealed: &mut [u8]) -> usize {
        let message = InboundOpaqueMessage::new(
            ContentType::ApplicationData,
            ProtocolVersion::TLSv1_2,
            sealed,
        );
        self.opens
            .decrypt(message, self.next - 1)
            .unwrap()
            .payload
            .len()
    }
}
