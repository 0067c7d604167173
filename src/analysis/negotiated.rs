//! Whether every handshake of a cell negotiated what was pinned (invariant 4).

use crate::record::{CellRecord, Note, ObservedRecord, Pins, TrialRecord};

impl Pins {
    /// What one kind of handshake negotiated against the pins: name, pin, and what it was.
    fn missed<'a>(
        &'a self,
        observed: &'a ObservedRecord,
    ) -> Option<(&'static str, String, &'a str)> {
        // Who resumes signs nothing, and in TLS 1.2 agrees on no key either.
        let signed = !observed.resumed;
        let agreed = signed || observed.version != "TLSv1.2";
        let sent = observed.certificate_sent;
        let one = |pin: &'a Option<String>, of: bool| pin.as_slice().iter().filter(move |_| of);
        let checks: [(&'static str, Vec<&String>, &str); 6] = [
            (
                "provider",
                one(&self.provider, true).collect(),
                &observed.provider,
            ),
            ("version", self.versions.iter().collect(), &observed.version),
            (
                "cipher suite",
                self.suites.iter().collect(),
                &observed.cipher_suite,
            ),
            ("group", one(&self.group, agreed).collect(), &observed.group),
            (
                "server's signature",
                one(&self.server_signature, signed).collect(),
                &observed.server_signature,
            ),
            (
                "client's signature",
                one(&self.client_signature, sent).collect(),
                &observed.client_signature,
            ),
        ];
        checks.into_iter().find_map(|(what, pins, was)| {
            let missed = !pins.is_empty() && pins.iter().all(|pin| *pin != was);
            let pins: Vec<&str> = pins.into_iter().map(String::as_str).collect();
            missed.then(|| (what, pins.join(" or "), was))
        })
    }
}

impl TrialRecord {
    /// What the handshakes negotiated that are held to what was asked: those of the measure phase and, where all of
    /// them were resumed, the full ones before it, since a resumed session signs nothing and asks for no certificate.
    pub(super) fn judged_handshakes(&self) -> impl Iterator<Item = &ObservedRecord> {
        let all_resumed = self.observed.iter().all(|observed| observed.resumed);
        let before = self.observed_before.iter();
        let full = before.filter(move |observed| all_resumed && !observed.resumed);
        self.observed.iter().chain(full)
    }
}

/// Every handshake that negotiated something else than was pinned, told by what it was.
pub(super) fn negotiated_otherwise(cell: &CellRecord) -> Vec<Note> {
    let mut missed: Vec<((&str, String, &str), u64)> = Vec::new();
    let observed = || cell.trials.iter().flat_map(TrialRecord::judged_handshakes);
    for record in observed() {
        let Some(miss) = cell.pins.missed(record) else {
            continue;
        };
        match missed.iter_mut().find(|(known, _)| *known == miss) {
            Some((_, count)) => *count += record.count,
            None => missed.push((miss, record.count)),
        }
    }
    let total: u64 = observed().map(|o| o.count).sum();
    let notes = missed.into_iter().map(|((what, pin, was), count)| {
        cell.note(
            "negotiated-otherwise",
            format!("in {count} of {total} handshakes the {what} was {was}, and {pin} was asked for"),
            "the figures are not of what was asked; see what the server has (`shakedown probe`), and ask for that",
        )
    });
    notes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut ObservedRecord);

    fn observed() -> ObservedRecord {
        ObservedRecord {
            count: 7,
            provider: "ring".into(),
            version: "TLSv1.3".into(),
            cipher_suite: "TLS_AES_256_GCM_SHA384".into(),
            group: "x25519".into(),
            server_signature: "rsa_pss_rsae_sha256".into(),
            client_signature: "ed25519".into(),
            certificate_requested: true,
            certificate_sent: true,
            alpn: None,
            resumed: false,
        }
    }

    fn pins() -> Pins {
        Pins {
            provider: Some("ring".into()),
            versions: vec!["TLSv1.3".into()],
            suites: vec!["TLS_AES_256_GCM_SHA384".into()],
            group: Some("x25519".into()),
            server_signature: Some("rsa_pss_rsae_sha256".into()),
            client_signature: Some("ed25519".into()),
        }
    }

    #[test]
    fn what_was_pinned_is_no_miss_and_anything_else_is() {
        assert_eq!(pins().missed(&observed()), None);
        assert_eq!(Pins::default().missed(&observed()), None);
        let others: [(&str, Change); 6] = [
            ("provider", |o| o.provider = "other".into()),
            ("version", |o| o.version = "other".into()),
            ("cipher suite", |o| o.cipher_suite = "other".into()),
            ("group", |o| o.group = "other".into()),
            ("server's signature", |o| {
                o.server_signature = "other".into();
            }),
            ("client's signature", |o| {
                o.client_signature = "other".into();
            }),
        ];
        for (what, change) in others {
            let mut observed = observed();
            change(&mut observed);
            let pins = pins();
            let (missed, _, was) = pins.missed(&observed).unwrap();
            assert_eq!((missed, was), (what, "other"));
        }
    }

    #[test]
    fn resumed_sessions_have_no_signatures_and_those_of_tls_1_2_no_group() {
        let resumed = ObservedRecord {
            server_signature: "none".into(),
            client_signature: "none".into(),
            certificate_sent: false,
            resumed: true,
            ..observed()
        };
        assert_eq!(pins().missed(&resumed), None);
        let old = ObservedRecord {
            version: "TLSv1.2".into(),
            group: "none".into(),
            ..resumed
        };
        let pins = Pins {
            versions: vec!["TLSv1.2".into()],
            ..pins()
        };
        assert_eq!(pins.missed(&old), None);
    }
}
