//! The anatomy of a handshake as a scenario: one session at a time, every one of them metered.

use super::{
    AuthMode, EmbeddedTarget, EndKeys, IdentityFiles, ResumptionMode, ResumptionSection, Scenario,
    Url,
};
use crate::units::{Ratio, Span};

const QUESTION: &str = "Where do the microseconds of a session go, at each end?";

const READING: &str = "Each step of the handshake has its crypto operations under it, with the median \
session's time of each end and how often an operation is done. Times exclude each other, so they add up; \
medians of parts need not add up to the median of the whole. Steps 4 and 5 are messages in other messages' \
records: their cost is in bytes, and in what rustls itself takes. `verify_chain` with an algorithm is a \
signature in the chain, without one it is everything else that verifying a chain takes. The rest is CPU of \
the thread that no entry explains. docs/anatomy.md tells what each line is and what cannot be seen.";

/// What to take apart.
#[derive(Debug, Clone, Default)]
pub struct Anatomy {
    /// The server's URL; `host:port` alone means `https://`. The embedded target if left out.
    pub url: Option<String>,
    /// The client's certificate, for a server elsewhere.
    pub identity: Option<IdentityFiles>,
    /// Who is authenticated; what fits the server and the certificate if empty.
    pub auth: Vec<AuthMode>,
    /// Key algorithms of the embedded target's certificates and of those minted for its clients.
    pub key: Option<EndKeys>,
}

impl Anatomy {
    /// The scenario that makes it.
    pub fn scenario(&self) -> Scenario {
        let mut scenario = Scenario {
            name: "anatomy".to_owned(),
            question: QUESTION.to_owned(),
            reading: READING.to_owned(),
            metered: true,
            identity: self.identity.clone(),
            ..Scenario::default()
        };
        scenario.resumption = ResumptionSection {
            mode: ResumptionMode::Ticket,
            ..ResumptionSection::default()
        };
        // Alone on its thread a session waits for nobody but the other end.
        scenario.load.sessions = Some(1);
        scenario.workers.count = Some(1);
        scenario.load.duration = Some(Span::secs(1));
        scenario.load.warmup = Some(Span(std::time::Duration::from_millis(200)));
        // The smallest and the largest of seven hold the middle with 98 % confidence.
        scenario.trials.count = 7;
        scenario.matrix.resumed = vec![Ratio::ZERO, Ratio::ONE];
        scenario.matrix.auth = self.auth();
        if scenario
            .matrix
            .auth
            .iter()
            .all(|auth| *auth == AuthMode::None)
        {
            // Nothing is resumed without TLS.
            scenario.matrix.resumed.clear();
            scenario.resumption = ResumptionSection::default();
        }
        if let Some(url) = &self.url {
            scenario.target.url = Some(Url::or_https(url));
        } else if let Some(key) = self.key {
            scenario.target.embedded = Some(EmbeddedTarget {
                key: Some(key),
                ..EmbeddedTarget::default()
            });
        }
        scenario
    }

    /// Plain TCP, TLS and mTLS, as far as the server is spoken to in them. A server elsewhere either asks for
    /// certificates or does not, so with one every session presents it, and without one none does.
    fn auth(&self) -> Vec<AuthMode> {
        if !self.auth.is_empty() {
            return self.auth.clone();
        }
        let tcp = match &self.url {
            // A server of HTTPS answers nothing useful without TLS.
            Some(url) => url.starts_with("tls://"),
            None => true,
        };
        let mutual = self.url.is_none() || self.identity.is_some();
        let modes = [
            (AuthMode::None, tcp),
            (AuthMode::Server, self.identity.is_none()),
            (AuthMode::Mutual, mutual),
        ];
        let wanted = modes.into_iter().filter(|(_, wanted)| *wanted);
        wanted.map(|(mode, _)| mode).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(anatomy: &Anatomy) -> Vec<String> {
        let checked = anatomy.scenario().check("anatomy", "").unwrap();
        assert!(checked.scenario.metered);
        checked.cells.into_iter().map(|cell| cell.name).collect()
    }

    #[test]
    fn the_cells_are_those_that_the_server_is_spoken_to_in() {
        let all = ["tcp", "tls", "tls-resumed", "mtls", "mtls-resumed"];
        assert_eq!(cells(&Anatomy::default()), all);
        let mut remote = Anatomy {
            url: Some("localhost:8443".to_owned()),
            ..Anatomy::default()
        };
        assert_eq!(cells(&remote), ["tls", "tls-resumed"]);
        remote.identity = Some(IdentityFiles {
            cert: "c.pem".into(),
            ..IdentityFiles::default()
        });
        assert_eq!(cells(&remote), ["mtls", "mtls-resumed"]);
        remote.auth = vec![AuthMode::Server, AuthMode::Mutual];
        assert_eq!(cells(&remote), all[1..]);
        remote.auth = Vec::new();
        remote.url = Some("tls://localhost:8443".to_owned());
        assert_eq!(cells(&remote), ["tcp", "mtls", "mtls-resumed"]);
    }
}
