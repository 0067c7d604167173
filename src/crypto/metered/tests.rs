//! A metered provider is the provider it decorates in everything but its clock.

use rustls::crypto::CryptoProvider;
use rustls::{NamedGroup, ProtocolVersion};

use super::*;
use crate::crypto::{entry, provider};
use crate::scenario::ProviderName;

fn all() -> impl Iterator<Item = (ProviderName, CryptoProvider)> {
    let compiled = ProviderName::ALL.into_iter();
    compiled
        .filter(|name| entry(*name).backend().is_ok())
        .map(|name| (name, provider(name).unwrap()))
}

#[test]
fn everything_is_forwarded() {
    for (name, plain) in all() {
        let metered = Metering::On.provider(name).unwrap();
        assert_eq!(metered.fips(), plain.fips(), "{name}");
        assert_eq!(
            metered.signature_verification_algorithms.fips(),
            plain.signature_verification_algorithms.fips()
        );
        assert_eq!(
            metered
                .signature_verification_algorithms
                .supported_schemes(),
            plain.signature_verification_algorithms.supported_schemes()
        );
        assert_eq!(metered.kx_groups.len(), plain.kx_groups.len());
        for (ours, theirs) in metered.kx_groups.iter().zip(&plain.kx_groups) {
            assert_eq!(ours.name(), theirs.name());
            assert_eq!(ours.fips(), theirs.fips());
            assert_eq!(ours.ffdhe_group(), theirs.ffdhe_group());
            for version in [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3] {
                assert_eq!(
                    ours.usable_for_version(version),
                    theirs.usable_for_version(version)
                );
            }
        }
        assert_eq!(metered.cipher_suites.len(), plain.cipher_suites.len());
        for (ours, theirs) in metered.cipher_suites.iter().zip(&plain.cipher_suites) {
            same_suite(*ours, *theirs);
        }
    }
}

fn same_suite(ours: SupportedCipherSuite, theirs: SupportedCipherSuite) {
    assert_eq!((ours.suite(), ours.fips()), (theirs.suite(), theirs.fips()));
    let (ours_common, theirs_common) = match (ours, theirs) {
        (SupportedCipherSuite::Tls12(a), SupportedCipherSuite::Tls12(b)) => {
            let (mine, inner) = (a.aead_alg.key_block_shape(), b.aead_alg.key_block_shape());
            assert_eq!(mine.explicit_nonce_len, inner.explicit_nonce_len);
            assert_eq!(mine.enc_key_len, inner.enc_key_len);
            assert_eq!(mine.fixed_iv_len, inner.fixed_iv_len);
            assert_eq!((a.kx, a.sign), (b.kx, b.sign));
            (&a.common, &b.common)
        }
        (SupportedCipherSuite::Tls13(a), SupportedCipherSuite::Tls13(b)) => {
            assert_eq!(a.aead_alg.key_len(), b.aead_alg.key_len());
            assert_eq!(a.quic.is_some(), b.quic.is_some());
            assert_eq!(a.quic_suite().is_some(), b.quic_suite().is_some());
            (&a.common, &b.common)
        }
        _ => panic!("a suite changed its version"),
    };
    assert_eq!(
        ours_common.confidentiality_limit,
        theirs_common.confidentiality_limit
    );
    assert_eq!(
        ours_common.hash_provider.algorithm(),
        theirs_common.hash_provider.algorithm()
    );
    assert_eq!(
        ours_common.hash_provider.hash(b"abc").as_ref(),
        theirs_common.hash_provider.hash(b"abc").as_ref()
    );
}

#[test]
fn both_halves_of_a_key_exchange_agree_and_hybrids_show_their_component() {
    for (name, _) in all() {
        for group in Metering::On.provider(name).unwrap().kx_groups {
            let active = group.start().unwrap();
            let hybrid = active.hybrid_component().map(|(group, _)| group);
            if group.name() == NamedGroup::X25519MLKEM768 {
                assert_eq!(hybrid, Some(NamedGroup::X25519), "{name}");
            }
            assert_eq!(active.group(), group.name());
            let peer = group.start_and_complete(active.pub_key()).unwrap();
            let secret = active
                .complete_for_tls_version(&peer.pub_key, &rustls::version::TLS13)
                .unwrap();
            assert_eq!(secret.secret_bytes(), peer.secret.secret_bytes(), "{name}");
        }
    }
}

#[test]
fn what_lives_for_ever_is_made_once() {
    for (name, _) in all() {
        let made = || Metering::On.provider(name).unwrap();
        let (one, two) = (made(), made());
        let groups = one.kx_groups.iter().zip(&two.kx_groups);
        assert!(groups.into_iter().all(|(a, b)| std::ptr::eq(*a, *b)));
        assert!(std::ptr::eq(
            one.signature_verification_algorithms.all,
            two.signature_verification_algorithms.all
        ));
    }
}
