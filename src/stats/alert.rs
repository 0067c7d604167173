//! TLS alerts: their names, and what each says about a client.

/// The name of an alert (RFC 8446 section 6, with the older ones of RFC 5246 section 7.2).
pub(crate) fn alert_name(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        21 => "decryption_failed",
        22 => "record_overflow",
        30 => "decompression_failure",
        40 => "handshake_failure",
        41 => "no_certificate",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        60 => "export_restriction",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        100 => "no_renegotiation",
        109 => "missing_extension",
        110 => "unsupported_extension",
        111 => "certificate_unobtainable",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        114 => "bad_certificate_hash_value",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        120 => "no_application_protocol",
        121 => "ech_required",
        _ => return None,
    })
}

/// The name of an alert, or its number if the registry has none.
pub(crate) fn alert_text(code: u8) -> String {
    alert_name(code).map_or_else(|| code.to_string(), str::to_owned)
}

/// The code of an alert from its name in RFC 8446 section 6.
pub(crate) fn alert_code(name: &str) -> Option<u8> {
    (0..=u8::MAX).find(|code| alert_name(*code) == Some(name))
}

/// What a client that gets this alert should know and do.
pub(super) fn alert_advice(code: u8) -> &'static str {
    match code {
        0 => {
            "the server ended the session in order where more was due; its error log should say why"
        }
        10 => "the server got a message it did not expect: a middlebox, or the wrong port",
        20 | 21 => "data was damaged on the way, or both sides have different keys",
        22 => "the server got a record that is too long",
        40 => {
            "the server found no acceptable parameters, or wants a client certificate (TLS 1.2 says so this way); look at versions, groups, suites and --cert"
        }
        41 => "the server wants a client certificate; pass --cert and --key",
        42 => {
            "the server could not use our certificate, for whatever reason (Go has no other alert); its log says which"
        }
        43 => {
            "the server does not take this kind of certificate; check its extended key usage (clientAuth) and its key type"
        }
        44 => "the server says our certificate is revoked; issue a new one",
        45 => "the server says our certificate has expired; renew it, and check the server's clock",
        46 => "the server could not accept our certificate for another reason; its log says which",
        47 => "the server found a field out of range, or one that does not fit another",
        48 => {
            "the server does not know the CA that signed our certificate; pass the right --cert, with its intermediates"
        }
        49 => "our certificate is valid but not allowed in; check the server's access rules",
        50 => "the server could not read a message",
        51 => {
            "the server could not verify a signature. Our key is the certificate's own, as was checked at the start, so look at the chain (damaged, or an issuer of the same name with another key) and at the key's kind and size"
        }
        70 => "the server does not speak the TLS versions we offered",
        71 => "the server wants stronger parameters than we offered",
        80 => "something failed inside the server; see its error log",
        86 => "the server suspects a downgrade",
        90 => "the server's side was cancelled",
        100 => "the server refused to renegotiate",
        109 => "the server needs an extension that was not sent",
        110 => "the server got an extension that it did not offer",
        112 => "the server does not know the name in --sni",
        113 => "the server did not accept the OCSP response",
        115 => "the server does not know the pre-shared key",
        116 => "the server requires a client certificate and got none; pass --cert and --key",
        120 => {
            "no common ALPN protocol; check --alpn, and drop --http2 where the server has HTTP/1.1 alone"
        }
        121 => "the server requires Encrypted Client Hello, which is not supported",
        _ => "the server rejected the handshake; its error log should say why",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_found_by_name() {
        assert_eq!(alert_code("certificate_expired"), Some(45));
        assert_eq!(alert_code("expired"), None);
    }
}
