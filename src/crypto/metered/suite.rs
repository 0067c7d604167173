//! Meters a cipher suite: transcript hash, key schedule and record protection.

use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, KeyBlockShape, MessageDecrypter,
    MessageEncrypter, OutboundOpaqueMessage, OutboundPlainMessage, Tls12AeadAlgorithm,
    Tls13AeadAlgorithm, UnsupportedOperationError,
};
use rustls::crypto::hash::{Context, Hash, HashAlgorithm, Output};
use rustls::crypto::hmac::Tag;
use rustls::crypto::tls12::Prf;
use rustls::crypto::tls13::{Hkdf, HkdfExpander, OkmBlock, OutputLengthError};
use rustls::crypto::{ActiveKeyExchange, CipherSuiteCommon};
use rustls::{ConnectionTrafficSecrets, Error, Tls12CipherSuite, Tls13CipherSuite};

use super::{crypto, forever};
use crate::stats::CryptoOp;

/// A TLS 1.3 suite, metered except for QUIC, which no session uses.
pub(super) fn tls13(inner: &'static Tls13CipherSuite) -> Tls13CipherSuite {
    Tls13CipherSuite {
        common: common(&inner.common),
        hkdf_provider: forever(Schedule(inner.hkdf_provider)),
        aead_alg: forever(Aead13(inner.aead_alg)),
        quic: inner.quic,
    }
}

/// A metered TLS 1.2 suite.
pub(super) fn tls12(inner: &'static Tls12CipherSuite) -> Tls12CipherSuite {
    Tls12CipherSuite {
        common: common(&inner.common),
        prf_provider: forever(Schedule12(inner.prf_provider)),
        kx: inner.kx,
        sign: inner.sign,
        aead_alg: forever(Aead12(inner.aead_alg)),
    }
}

fn common(inner: &CipherSuiteCommon) -> CipherSuiteCommon {
    CipherSuiteCommon {
        suite: inner.suite,
        hash_provider: forever(Hashing(inner.hash_provider)),
        confidentiality_limit: inner.confidentiality_limit,
    }
}

struct Hashing(&'static dyn Hash);

impl Hash for Hashing {
    fn start(&self) -> Box<dyn Context> {
        let _span = crypto(CryptoOp::Hash, None);
        Box::new(Transcript(self.0.start()))
    }

    fn hash(&self, data: &[u8]) -> Output {
        let _span = crypto(CryptoOp::Hash, None);
        self.0.hash(data)
    }

    fn output_len(&self) -> usize {
        self.0.output_len()
    }

    fn algorithm(&self) -> HashAlgorithm {
        self.0.algorithm()
    }

    fn fips(&self) -> bool {
        self.0.fips()
    }
}

struct Transcript(Box<dyn Context>);

impl Context for Transcript {
    fn fork_finish(&self) -> Output {
        let _span = crypto(CryptoOp::Hash, None);
        self.0.fork_finish()
    }

    fn fork(&self) -> Box<dyn Context> {
        let _span = crypto(CryptoOp::Hash, None);
        Box::new(Self(self.0.fork()))
    }

    fn finish(self: Box<Self>) -> Output {
        let _span = crypto(CryptoOp::Hash, None);
        self.0.finish()
    }

    fn update(&mut self, data: &[u8]) {
        let _span = crypto(CryptoOp::Hash, None);
        self.0.update(data);
    }
}

struct Schedule(&'static dyn Hkdf);

impl Hkdf for Schedule {
    fn extract_from_zero_ikm(&self, salt: Option<&[u8]>) -> Box<dyn HkdfExpander> {
        let _span = crypto(CryptoOp::Kdf, None);
        Box::new(Expander(self.0.extract_from_zero_ikm(salt)))
    }

    fn extract_from_secret(&self, salt: Option<&[u8]>, secret: &[u8]) -> Box<dyn HkdfExpander> {
        let _span = crypto(CryptoOp::Kdf, None);
        Box::new(Expander(self.0.extract_from_secret(salt, secret)))
    }

    /// Completes the key exchange on the way, which is metered by itself.
    fn extract_from_kx_shared_secret(
        &self,
        salt: Option<&[u8]>,
        kx: Box<dyn ActiveKeyExchange>,
        peer_pub_key: &[u8],
    ) -> Result<Box<dyn HkdfExpander>, Error> {
        let _span = crypto(CryptoOp::Kdf, None);
        let inner = self
            .0
            .extract_from_kx_shared_secret(salt, kx, peer_pub_key)?;
        Ok(Box::new(Expander(inner)))
    }

    fn expander_for_okm(&self, okm: &OkmBlock) -> Box<dyn HkdfExpander> {
        let _span = crypto(CryptoOp::Kdf, None);
        Box::new(Expander(self.0.expander_for_okm(okm)))
    }

    fn hmac_sign(&self, key: &OkmBlock, message: &[u8]) -> Tag {
        let _span = crypto(CryptoOp::Kdf, None);
        self.0.hmac_sign(key, message)
    }

    fn fips(&self) -> bool {
        self.0.fips()
    }
}

struct Expander(Box<dyn HkdfExpander>);

impl HkdfExpander for Expander {
    fn expand_slice(&self, info: &[&[u8]], output: &mut [u8]) -> Result<(), OutputLengthError> {
        let _span = crypto(CryptoOp::Kdf, None);
        self.0.expand_slice(info, output)
    }

    fn expand_block(&self, info: &[&[u8]]) -> OkmBlock {
        let _span = crypto(CryptoOp::Kdf, None);
        self.0.expand_block(info)
    }

    fn hash_len(&self) -> usize {
        self.0.hash_len()
    }
}

struct Schedule12(&'static dyn Prf);

impl Prf for Schedule12 {
    /// Completes the key exchange on the way, which is metered by itself.
    fn for_key_exchange(
        &self,
        output: &mut [u8; 48],
        kx: Box<dyn ActiveKeyExchange>,
        peer_pub_key: &[u8],
        label: &[u8],
        seed: &[u8],
    ) -> Result<(), Error> {
        let _span = crypto(CryptoOp::Kdf, None);
        self.0
            .for_key_exchange(output, kx, peer_pub_key, label, seed)
    }

    fn for_secret(&self, output: &mut [u8], secret: &[u8], label: &[u8], seed: &[u8]) {
        let _span = crypto(CryptoOp::Kdf, None);
        self.0.for_secret(output, secret, label, seed);
    }

    fn fips(&self) -> bool {
        self.0.fips()
    }
}

struct Aead13(&'static dyn Tls13AeadAlgorithm);

impl Tls13AeadAlgorithm for Aead13 {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        let _span = crypto(CryptoOp::Kdf, None);
        Box::new(Sealing(self.0.encrypter(key, iv)))
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        let _span = crypto(CryptoOp::Kdf, None);
        Box::new(Opening(self.0.decrypter(key, iv)))
    }

    fn key_len(&self) -> usize {
        self.0.key_len()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.0.extract_keys(key, iv)
    }

    fn fips(&self) -> bool {
        self.0.fips()
    }
}

struct Aead12(&'static dyn Tls12AeadAlgorithm);

impl Tls12AeadAlgorithm for Aead12 {
    fn encrypter(&self, key: AeadKey, iv: &[u8], extra: &[u8]) -> Box<dyn MessageEncrypter> {
        let _span = crypto(CryptoOp::Kdf, None);
        Box::new(Sealing(self.0.encrypter(key, iv, extra)))
    }

    fn decrypter(&self, key: AeadKey, iv: &[u8]) -> Box<dyn MessageDecrypter> {
        let _span = crypto(CryptoOp::Kdf, None);
        Box::new(Opening(self.0.decrypter(key, iv)))
    }

    fn key_block_shape(&self) -> KeyBlockShape {
        self.0.key_block_shape()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: &[u8],
        explicit: &[u8],
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.0.extract_keys(key, iv, explicit)
    }

    fn fips(&self) -> bool {
        self.0.fips()
    }
}

struct Sealing(Box<dyn MessageEncrypter>);

impl MessageEncrypter for Sealing {
    fn encrypt(
        &mut self,
        msg: OutboundPlainMessage<'_>,
        seq: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let _span = crypto(CryptoOp::Seal, None);
        self.0.encrypt(msg, seq)
    }

    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        self.0.encrypted_payload_len(payload_len)
    }
}

struct Opening(Box<dyn MessageDecrypter>);

impl MessageDecrypter for Opening {
    fn decrypt<'a>(
        &mut self,
        msg: InboundOpaqueMessage<'a>,
        seq: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let _span = crypto(CryptoOp::Open, None);
        self.0.decrypt(msg, seq)
    }
}
