//! Names of TLS code points as the IANA registries spell them.

use rustls::{CipherSuite, NamedGroup, SignatureScheme};

/// The protocol version's name.
pub(crate) fn version_name(code: u16) -> String {
    match code {
        0 => "none".to_owned(),
        0x0303 => "TLSv1.2".to_owned(),
        0x0304 => "TLSv1.3".to_owned(),
        other => format!("0x{other:04x}"),
    }
}

/// The cipher suite's IANA name.
pub fn cipher_suite_name(code: u16) -> String {
    match CipherSuite::from(code).as_str() {
        Some(name) => name.replacen("TLS13_", "TLS_", 1),
        None => format!("0x{code:04x}"),
    }
}

/// The key exchange group's IANA name.
pub fn group_name(code: u16) -> String {
    match NamedGroup::from(code) {
        NamedGroup::Unknown(0) => "none".to_owned(),
        known => known
            .as_str()
            .map_or_else(|| format!("0x{code:04x}"), str::to_lowercase),
    }
}

/// The signature scheme's IANA name.
pub fn scheme_name(code: u16) -> String {
    match (code, known_scheme(code)) {
        (0, _) => "none".to_owned(),
        (_, Some(name)) => name.to_owned(),
        _ => (SignatureScheme::from(code).as_str())
            .map_or_else(|| format!("0x{code:04x}"), str::to_lowercase),
    }
}

/// The IANA name of a signature scheme (RFC 8446 section 4.2.3), for which rustls has older names.
pub(super) fn known_scheme(code: u16) -> Option<&'static str> {
    Some(match code {
        0x0401 => "rsa_pkcs1_sha256",
        0x0501 => "rsa_pkcs1_sha384",
        0x0601 => "rsa_pkcs1_sha512",
        0x0403 => "ecdsa_secp256r1_sha256",
        0x0503 => "ecdsa_secp384r1_sha384",
        0x0603 => "ecdsa_secp521r1_sha512",
        0x0804 => "rsa_pss_rsae_sha256",
        0x0805 => "rsa_pss_rsae_sha384",
        0x0806 => "rsa_pss_rsae_sha512",
        0x0807 => "ed25519",
        0x0808 => "ed448",
        0x0809 => "rsa_pss_pss_sha256",
        0x080a => "rsa_pss_pss_sha384",
        0x080b => "rsa_pss_pss_sha512",
        // draft-ietf-tls-mldsa
        0x0904 => "mldsa44",
        0x0905 => "mldsa65",
        0x0906 => "mldsa87",
        0x081a => "ecdsa_brainpoolP256r1tls13_sha256",
        0x081b => "ecdsa_brainpoolP384r1tls13_sha384",
        0x081c => "ecdsa_brainpoolP512r1tls13_sha512",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_registries() {
        assert_eq!(version_name(0x0304), "TLSv1.3");
        assert_eq!(cipher_suite_name(0x1302), "TLS_AES_256_GCM_SHA384");
        assert_eq!(group_name(0x001d), "x25519");
        assert_eq!(group_name(0x11ec), "x25519mlkem768");
        assert_eq!(scheme_name(0x0403), "ecdsa_secp256r1_sha256");
        assert_eq!(group_name(0), "none");
    }
}
