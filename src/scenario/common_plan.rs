//! What shards have to agree on: the scenario without what is each machine's own.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::Scenario;
use crate::text::hex;

impl Scenario {
    /// The scenario without lists of cores, local addresses and the paths of identities, which differ from one machine to the next, and
    /// without secrets.
    #[must_use]
    pub fn common_plan(&self) -> Self {
        let mut common = self.without_secrets();
        common.workers.cores = None;
        common.workers.source.clear();
        if let Some(embedded) = &mut common.target.embedded {
            embedded.cores = None;
        }
        if let Some(identity) = &mut common.identity {
            identity.cert = PathBuf::new();
            (identity.key, identity.pass_file, identity.pass_env) = (None, None, None);
        }
        for identity in &mut common.identities {
            identity.cert = identity.cert.take().map(|_| PathBuf::new());
            (identity.key, identity.pass_file, identity.pass_env) = (None, None, None);
        }
        common
    }

    /// A SHA-256 of the common plan, in hexadecimal digits.
    pub fn common_digest(&self) -> String {
        // What was checked can be written.
        let text = serde_json::to_vec(&self.common_plan()).unwrap_or_default();
        hex(&Sha256::digest(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(sections: &str) -> String {
        let text = format!("version = 1\nname = \"test\"\n{sections}");
        Scenario::parse("t.toml", &text).unwrap().common_digest()
    }

    #[test]
    fn a_plan_is_the_same_on_every_machine() {
        let own = |cores, cert| {
            digest(&format!(
                "[workers]\ncount = 2\ncores = \"{cores}\"\nsource = [\"10.0.0.{cores}\"]\n[identity]\ncert = \"{cert}\"\n"
            ))
        };
        let one = own("0", "a.pem");
        assert_eq!(one.len(), 64);
        assert_eq!(one, own("2", "/other/b.pem"));
        assert_ne!(one, digest("[workers]\ncount = 2\n"), "no identity at all");
        let count = |count| digest(&format!("[workers]\ncount = {count}\n"));
        assert_ne!(count(2), count(3));
    }
}
