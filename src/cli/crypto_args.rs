//! The flags of `run` that say where the cryptography of both ends comes from, and with what keys. A list
//! makes a cell of each.

use clap::Args;
use shakedown::scenario::{EndKeys, ProviderName, Scenario, Verify};

use super::choice::one_of;

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Cryptography")]
pub struct CryptoArgs {
    /// Crypto provider of the client, one cell each; see `shakedown providers` [default: aws-lc-rs]
    #[arg(long = "provider", value_name = "NAME", value_delimiter = ',')]
    providers: Vec<ProviderName>,

    /// How often to verify each distinct server chain; once-per-chain marks the result
    /// [default: every-handshake]
    #[arg(long, value_name = "HOW", value_parser = one_of::<Verify>())]
    verify: Option<Verify>,

    /// Crypto provider of the embedded target [default: aws-lc-rs]
    #[arg(long, value_name = "NAME")]
    target_provider: Option<ProviderName>,

    /// Key algorithm of the embedded target's certificates, one cell each: p256, p384, rsa2048, rsa3072,
    /// ed25519, mldsa44, mldsa65, mldsa87, or SERVER+CLIENT [default: p256]
    #[arg(long = "target-key", value_name = "ALG", value_delimiter = ',')]
    target_keys: Vec<EndKeys>,

    /// Intermediates in the embedded target's chains, one cell each [default: 1]
    #[arg(long = "target-chain", value_name = "N", value_delimiter = ',')]
    target_chains: Vec<u8>,
}

impl CryptoArgs {
    pub(crate) fn apply(&self, scenario: &mut Scenario) {
        let matrix = &mut scenario.matrix;
        match self.providers[..] {
            [] => {}
            [one] => {
                scenario.tls.provider = Some(one);
                matrix.provider.clear();
            }
            _ => {
                scenario.tls.provider = None;
                matrix.provider.clone_from(&self.providers);
            }
        }
        scenario.tls.verify = self.verify.unwrap_or(scenario.tls.verify);
        if self.target_provider.is_none()
            && self.target_keys.is_empty()
            && self.target_chains.is_empty()
        {
            return;
        }
        let embedded = scenario.target.embedded.get_or_insert_default();
        embedded.provider = self.target_provider.or(embedded.provider);
        one_or_several(&self.target_keys, &mut embedded.key, &mut matrix.key);
        one_or_several(&self.target_chains, &mut embedded.chain, &mut matrix.chain);
    }
}

/// One value is for all cells, several are cells; none leaves the scenario's.
fn one_or_several<T: Copy>(given: &[T], one: &mut Option<T>, several: &mut Vec<T>) {
    match given {
        [] => {}
        [only] => {
            *one = Some(*only);
            several.clear();
        }
        _ => {
            *one = None;
            *several = given.to_vec();
        }
    }
}
