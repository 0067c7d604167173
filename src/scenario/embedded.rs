//! The embedded target with every default filled.

use super::{EndKeys, ProviderName, ResumptionMode, Scenario, TARGET_EARLY_DATA, TicketMode};

/// TLS 1.3 tickets that the embedded target sends unless told otherwise, as OpenSSL does.
const DEFAULT_TICKETS: u8 = 2;

/// The embedded target with every default filled.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddedPlan {
    /// Threads, each with its own listener.
    pub threads: usize,
    /// Cores to pin them to; chosen apart from the workers' if left out.
    pub cores: Option<String>,
    /// Key algorithms of the minted certificates.
    pub keys: EndKeys,
    /// Intermediates between the root and each end's certificate.
    pub chain: u8,
    /// Where its cryptography comes from.
    pub provider: ProviderName,
    /// What it offers for resumption.
    pub tickets: TicketMode,
    /// TLS 1.3 tickets that it sends after a handshake in which the client asked for no number.
    pub ticket_count: u8,
    /// Most bytes of early data that it takes of a session.
    pub early_data: u32,
}

impl EmbeddedPlan {
    /// What is written of it, else what the scenario needs.
    pub(crate) fn of(scenario: &Scenario) -> Self {
        let written = scenario.target.embedded.clone().unwrap_or_default();
        let resumption = &scenario.resumption;
        Self {
            threads: written.threads,
            cores: written.cores,
            keys: written.key.unwrap_or_default(),
            chain: written.chain.unwrap_or(1),
            provider: written.provider.unwrap_or_default(),
            tickets: written.tickets.unwrap_or(match resumption.mode {
                ResumptionMode::Off => TicketMode::Off,
                ResumptionMode::SessionId => TicketMode::Stateful,
                // Early data may be taken only once, so whoever takes it remembers its tickets.
                ResumptionMode::Ticket if resumption.early_data => TicketMode::Stateful,
                ResumptionMode::Ticket => TicketMode::Stateless,
            }),
            ticket_count: written.ticket_count.unwrap_or(DEFAULT_TICKETS),
            early_data: if resumption.early_data {
                TARGET_EARLY_DATA
            } else {
                0
            },
        }
    }
}
